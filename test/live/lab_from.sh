#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: from:test/unit/fixture/host/desktop.host
# An emulated host of the shape of another one has its groups: a root port without ACS shares its
# group with both functions of the card behind it.
. "${0%/*}/lib.sh"

# The classes in each group, without the devices of the emulated machine itself.
for group in /sys/kernel/iommu_groups/*; do
	for device in "$group"/devices/*; do
		case ${device##*/} in
		0000:00:00.0 | 0000:00:1[9a-f].*) continue ;;
		esac
		read -r class <"$device/class"
		echo "${class#0x}" | cut -c1-4
	done | sort | paste -sd' '
done | grep . | sort >"$work/found"
python3 -B "$top/lab/shape.py" "$top/test/unit/fixture/host/desktop.host" >"$work/shape" ||
	fail "the snapshot has no shape"
sed -n 's/^group //p' "$work/shape" | sort >"$work/wanted"
diff "$work/wanted" "$work/found" || fail "the groups are others"
expect_ok usher show -n 00:01.0
expect_text '(root port) has no ACS: the devices behind it share a group'
