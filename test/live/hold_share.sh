#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: bare
# A device that serves a mounted 9p or virtiofs is in use, wherever that is mounted, and whether or not
# the host's root lies on such a device as well.
. "${0%/*}/lib.sh"

nine=$(address_of 1af4:1049) || fail 'no 9p'
folder=$(address_of 1af4:105a) || folder= # the lab cannot serve it everywhere (lab/share.py)
mkdir "$work/nine" "$work/folder"

# held ADDRESS OBJECT TEXT: list and bind say so; the bind does not wait for the kernel.
held() {
	expect_ok usher list -n --json "$1"
	expect_text '"state": "busy"'
	expect_text "\"object\": \"$2\""
	expect_text "$3"
	before=$(seconds_up)
	expect_status 3 usher bind --allow=block "$1"
	expect_text "$1: $2: $3"
	expect_text 'no --allow skips this check'
	expect_driver "$1" virtio-pci
	expect_override "$1" none
	[ $(($(seconds_up) - before)) -lt 20 ] || fail "the refusal took $(($(seconds_up) - before)) s"
}

# not_mounted ADDRESS: the share itself is in no sight any more. The root of this host, which is
# below an overlay and out of sight, may still be on any share.
not_mounted() {
	expect_status 3 usher bind --dry-run "$1"
	expect_no_text 'mounted at'
	expect_text 'the root file system of this host may be on it'
}

mount -t 9p -o ro,trans=virtio,version=9p2000.L other "$work/nine" || fail 'no 9p mounted'
at_exit "umount $work/nine 2>/dev/null"
held "$nine" '9p other' "mounted at $work/nine"
expect_no_text 'the root file system'
mount --bind "$work/nine/usr" "$work/folder" || fail 'no part of the share mounted'
umount "$work/nine"
held "$nine" '9p other' "mounted at $work/folder"
umount "$work/folder"
not_mounted "$nine"

[ -n "$folder" ] || exit 0
modprobe -q virtiofs
mount -t virtiofs folder "$work/folder" || fail 'no virtiofs mounted'
at_exit "umount $work/folder 2>/dev/null"
echo text >"$work/folder/file" || fail 'the share cannot be written'
held "$folder" 'virtiofs folder' "mounted at $work/folder"
umount "$work/folder"
not_mounted "$folder"
