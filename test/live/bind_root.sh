#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# timeout: 300
# No combination of --allow lends the disk of /: neither where / is the root of this process, nor
# inside a chroot, which cannot see that all other processes have it as their root.
. "${0%/*}/lib.sh"

# This script runs itself again with another root; then only this part runs.
if [ "${1:-}" = inside ]; then
	disk=$2
	shift 2
	expect_status 3 usher bind "$disk"
	expect_text 'mounted at / [block]'
	expect_text 'no --allow skips this check'
	all=
	for check; do
		expect_status 3 usher bind "$disk" --allow="$check"
		expect_text 'mounted at /'
		all="$all --allow=$check"
	done
	for verb in bind 'bind --only' 'bind --driver vfio-pci' claim; do
		expect_status 3 usher $verb $all "$disk"
		expect_text 'mounted at /'
	done
	expect_status 3 usher prove "$disk"
	expect_status 3 usher exec --device "$disk" --user nobody $all -- true
	expect_text 'mounted at /'
	expect_status 1 usher vfio-pci-bind "$disk"
	expect_text 'mounted at /'
	exit 0
fi

disk=$(nvme_address)
name=$(block_of "$disk")
at_exit "wipefs -qa /dev/$name"
mkfs.ext4 -q "/dev/$name"
mkdir -p /mnt/root
before=$(all_drivers)
script=$(realpath "$0")
checks='block net vfio sriov gpu input fd platform reserved member no-reset'

# In a mount namespace whose first process has its root on the disk: from there, and from a chroot
# into the former root.
cat >"$work/first" <<-END
	set -e
	mount /dev/$name /mnt/root
	cd /mnt/root
	mkdir old proc
	for one in usr etc bin sbin lib lib64 sys dev run tmp var root $top; do
		[ ! -e /\$one ] || { mkdir -p ./\$one && mount --rbind /\$one ./\$one; }
	done
	mount -t proc proc proc
	pivot_root . old
	mount -t proc proc /old/proc
	cd /
	echo 'as root'
	sh $script inside $disk $checks
	echo 'from a chroot'
	chroot /old sh $script inside $disk block fd
END
unshare --mount --pid --fork sh "$work/first" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
grep -q 'from a chroot' "$work/log" || fail "$(cat "$work/log")"

expect_equal 'the drivers' "$before" "$(all_drivers)"
expect_equal 'the journal' '' "$(ls /run/usher/journal 2>/dev/null)"
[ ! -e /etc/usher/claims.d ] || fail "it was claimed: $(ls /etc/usher/claims.d)"
