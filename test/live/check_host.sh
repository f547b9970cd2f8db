#!/bin/sh
# SPDX-License-Identifier: MIT
# The doctor on a real host: it finds no error for the disk until something uses it. For the group
# of an old card it names the bridge that makes the group so large.
# topology: desktop
. "${0%/*}/lib.sh"

# finding ID [OBJECT]: the last `check --json` has it, about that device or the host.
finding() {
	tr -d '\n' <"$work/out" | grep -qE "\"id\": *\"$1\",[^}]*\"object\": *\"${2:-[^\"]*}\"" ||
		fail_with_output "finds no $1 ${2:-}"
}

no_finding() {
	! tr -d '\n' <"$work/out" | grep -qE "\"id\": *\"$1\"" || fail_with_output "finds $1"
}

disk=$(nvme_address)
name=$(block_of "$disk")
old=$(basename "$(readlink /sys/bus/pci/drivers/e1000/0000:*)")

# The lab's host has an IOMMU that remaps interrupts, and VFIO.
expect_ok usher check --json
for id in H01 H02 H05; do no_finding $id; done

expect_ok usher check --json "$disk"
for id in P02 P09 P15 P21; do no_finding $id; done
finding P05 "$disk"

# A mounted disk cannot be lent; its name serves as well as its address.
mke2fs -q -F "/dev/$name"
mkdir -p "$work/mount"
at_exit "umount $work/mount; wipefs -qa /dev/$name"
mount "/dev/$name" "$work/mount"
expect_status 3 usher check --json "$name"
finding P09 "$disk"

# A group of a bridge and two cards: the findings name the sibling, and the bridge as the cause.
expect_status 3 usher check --json 0000:00:1f.0
finding P04 0000:00:1f.0
usher check --json "$old" >"$work/out" 2>"$work/err"
finding P02 "$old"
finding P03 "$old"
expect_ok usher list --tree "$old"
expect_text pcieport
expect_ok usher list --svg
expect_text '</svg>'
