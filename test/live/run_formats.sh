#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# disk: debian
# timeout: 300
# The disk with Debian 12 as an image of other formats: usher takes the kernel out of it, and the guest
# finds its root on it, from qcow2, from qcow2 with a backing file, and from vmdk. The guest only says what
# it is. What the image is read by, and what is refused.
. "${0%/*}/lib.sh"

raw=$(cat /run/lab/image)
qcow2=${raw%.raw}.qcow2
vmdk=${raw%.raw}.vmdk

# boot OPTION…: a guest to its end; $work/out has its console.
boot() {
	from=$(seconds_up)
	expect_ok usher run --memory 384M --cmdline 'quiet mitigations=off init=/sbin/report' "$@" </dev/null
	echo "booted from $* in $(($(seconds_up) - from)) s"
}

# Only the user says what an image is, and where its backing file may be.
qemu-img create -q -f qcow2 -b "$qcow2" -F qcow2 "$work/over" || fail 'no overlay'
expect_status 2 usher run --plan --disk "$work/over,format=qcow2"
expect_text "names '$qcow2' as its backing file, which is not beside it"
expect_status 2 usher run --plan --kernel-from "$qcow2"
expect_text "'$qcow2' looks like a qcow2 image"
expect_text "--disk $qcow2,format=qcow2"
expect_status 2 usher run --plan --disk "$qcow2,ro,format=vmdk"

boot --disk "$qcow2,format=qcow2,ro"
expect_text "the kernel is '/vmlinuz' of '$qcow2'"
expect_text 'report: debian 12 root /dev/vda1 ro'
boot --disk "$vmdk,format=vmdk,ro"
expect_text "the kernel is '/vmlinuz' of '$vmdk'"
expect_text 'report: debian 12 root /dev/vda1 ro'
boot --disk "$work/over,format=qcow2,backing=$qcow2"
expect_text 'report: debian 12 root /dev/vda1 rw'
expect_text 'report: it was untouched'
! pidof qemu-storage-daemon || fail 'a daemon is left'

# What reads the image has a root of its own, and what reads its file systems opens nothing.
strace -V >/dev/null 2>&1 || exit 0
strace -ff -o "$work/calls" -e trace=execve,openat,setresuid,seccomp,socket usher run --plan --cmdline init=/sbin/report \
	--disk "$work/over,format=qcow2,backing=$qcow2" >"$work/out" 2>&1 || fail 'a plan under strace'
expect_text "kernel: /vmlinuz of $work/over"
calls_of "$work/calls" /qemu-storage-daemon >"$work/of_daemon"
grep -q 'openat(.*"/image/1".*= [0-9]' "$work/of_daemon" || fail "it has no backing file: $(cat "$work/of_daemon")"
grep 'socket(.*= [0-9]' "$work/of_daemon" && fail 'the daemon makes a socket'
grep '= [0-9]' "$work/of_daemon" | grep 'openat.*"/\(root\|home\|proc\|etc/passwd\)' && fail 'the daemon sees more'
calls_of "$work/calls" /usher-image | sed -n '/seccomp(.*= 0/,$p' >"$work/of_image"
[ -s "$work/of_image" ] || fail "the calls of usher-image are not filtered: $(cat "$work"/calls.*)"
grep '\(openat\|socket\)(.*= [0-9]' "$work/of_image" && fail 'it opens something behind its walls'
exit 0
