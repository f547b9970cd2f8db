#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# timeout: 300
# usher resets each device before the host gets it, so that nothing of the program is left in it: by
# the function's own reset, else by a reset of the bus. A cycle through D3 is not enough. usher
# reports which it was.
. "${0%/*}/lib.sh"

for_anyone test/live/exec_mark
mark=$work/build/test/live/exec_mark
disk=$(nvme_address)
nic=$(e1000e_address)
old=$(e1000_address)
edu=$(edu_address)
modprobe -a vfio-pci vfio_iommu_type1

# Without a driver, so that the host itself writes none of these registers.
for device in "$disk" "$nic" "$old"; do
	at_exit "to_driver $device $(driver_of "$device") ''"
	to_driver "$device" none ''
done
for device in "$disk" "$nic" "$old" "$edu"; do
	echo "$device: $(cat "$pci/$device/reset_method" 2>/dev/null)"
done

# left_clean HOW OFFSET VALUE ADDRESS…: programs write VALUE there; usher resets the devices by HOW.
left_clean() {
	how=$1 off=$2 value=$3
	shift 3
	devices=
	for device; do devices="$devices --device $device"; done
	# shellcheck disable=SC2086
	expect_ok usher exec $devices --user 1000 -- "$mark" leave "$off" "$value" "$@"
	cat "$work/out" "$work/err"
	for device; do
		expect_text "$device: $value"
		expect_text "$device: reset by $how"
		expect_driver "$device" none
	done
}

# NVMe's configuration, not yet enabled; the flow control timer of the network card.
left_clean flr 0x14 0x00460000 "$disk"
expect_ok "$mark" look "$disk" 0x14
expect_text "$disk: 0x00000000"
left_clean 'its bus' 0x170 0x00001234 "$nic"
expect_ok "$mark" look "$nic" 0x170
expect_text "$nic: 0x00000000"

# Two conventional devices on one bus, without a reset of their own. QEMU's edu keeps its registers
# over every reset, so the card beside it shows that there was one, by the address of its transmit
# ring.
left_clean 'its bus' 0x3800 0x00001230 "$old"
expect_ok "$mark" look "$old" 0x3800
expect_text "$old: 0x00000000"
expect_ok usher exec --device "$edu" --device "$old" --user 1000 -- \
	"$mark" leave 0x3800 0x00001230 "$old"
expect_text "$edu: reset by its bus"
expect_text "$old: reset by its bus"
expect_ok "$mark" look "$old" 0x3800
expect_text "$old: 0x00000000"
left_clean 'its bus' 0x80 0x00001230 "$edu"

# An accomplice outside gets the descriptor: usher resets the device while the accomplice has it,
# and the device returns when the accomplice ends.
"$mark" hold usher-accomplice 0x170 >"$work/held" 2>&1 &
accomplice=$!
at_exit "kill $accomplice 2>/dev/null"
wait_until 60 grep -q waiting "$work/held"
expect_status 125 usher exec --device "$nic" --user 1000 -- \
	"$mark" lend usher-accomplice 0x170 0x00001234 "$nic"
cat "$work/err" "$work/held"
expect_text "$nic: reset by its bus"
expect_text 'in use: a process that usher cannot find has a device of it open'
wait_until 60 grep -q 'accomplice: 0x00001234, bus mastering on' "$work/held"
wait_until 60 grep -q 'accomplice: 0x00000000, bus mastering off' "$work/held"
kill $accomplice
wait $accomplice
wait_until 60 usher restore
expect_driver "$nic" none
