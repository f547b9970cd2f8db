#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# kernel: small
# On a host with iommufd, a QEMU of 9.0 or later gets its devices as descriptors, which reach them
# from behind its walls too, and nothing else. This kernel has no System V IPC, and so no namespace of it.
. "${0%/*}/lib.sh"

kernel=$(cat /run/lab/kernel)
disk=$(nvme_address)
# QEMU's own /tmp is empty.
export QEMU_SYSTEM=/usr/local/bin/qemu-stand-in
at_exit "rm -f $QEMU_SYSTEM"
cp "$top/build/test/live/qemu_of_iommufd" "$QEMU_SYSTEM" || fail 'no stand-in'
[ ! -e /proc/self/ns/ipc ] || fail 'this kernel has namespaces of System V IPC'

expect_ok usher run --plan --engine=qemu --kernel "$kernel" --net none --device "$disk"
expect_text 'devices: by descriptors of iommufd'

for walls in '' --no-sandbox; do
	# shellcheck disable=SC2086 # it may be no word
	expect_ok usher run --engine=qemu $walls --kernel "$kernel" --net none --device "$disk" </dev/null
	for step in bind space attach map config; do
		expect_text "$step: ok"
	done
	expect_text "device: $(cut -c 3-6 "$pci/$disk/vendor"):$(cut -c 3-6 "$pci/$disk/device")"
	[ -n "$walls" ] || cp "$work/out" "$work/walled"
	expect_driver "$disk" nvme
	expect_override "$disk" none
done
expect_text 'user: 0'
expect_text '/dev/iommu: opens'
uid=$(sed -n 's/^user: //p' "$work/walled")
[ "$uid" -ge 2020963072 ] || fail "QEMU runs as user $uid"
grep '^/dev' "$work/walled" >"$work/paths"
expect_equal 'what QEMU reaches by a path' "/dev/iommu: Permission denied
/dev/vfio/vfio: No such file or directory
/dev/vfio/devices/vfio0: No such file or directory
/dev/kvm: opens" "$(cat "$work/paths")"

# The program that looks for the kernel of a disk has walls, too.
truncate -s 8M "$work/image"
mkfs.ext4 -q "$work/image"
expect_status 2 usher run --plan --kernel-from "$work/image"
expect_text 'no kernel found'
