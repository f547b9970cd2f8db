#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: server
# The ROM of a device: refused beside a driver, read from a sleeping device and from one without a
# driver, and what usher switches on for the read is off again. A run refuses another card's ROM.
. "${0%/*}/lib.sh"

nic=$(e1000e_address)
dev=$pci/$nic

# reads WHAT OPTION…: usher saves what the kernel shows, and leaves the device as it was.
reads() {
	what=$1
	shift
	rm -f "$work/saved"
	before=$(cat "$dev/enable" "$dev/power/control")
	expect_ok usher rom "$nic" "$work/saved" "$@"
	expect_text 'right: signature, structure, length, ids and checksum'
	expect_text 'image 1: x86 BIOS'
	cmp "$work/saved" "$work/theirs" || fail "$what: another ROM was saved"
	expect_equal "$what: enable and power" "$before" "$(cat "$dev/enable" "$dev/power/control")"
	! cat "$dev/rom" >"$work/left" 2>/dev/null || fail "$what: the ROM is still switched on"
}

echo 1 >"$dev/rom"
cat "$dev/rom" >"$work/theirs"
echo 0 >"$dev/rom"
[ "$(stat -c %s "$work/theirs")" -gt 4096 ] || fail 'the ROM of the card is shorter than a page'

expect_status 3 usher rom "$nic" "$work/saved"
expect_text "$nic: e1000e uses it"
[ ! -e "$work/saved" ] || fail 'what was refused was saved'
reads 'with a driver' --allow=driver

# vfio-pci lets the device sleep while nobody has it open.
expect_ok usher bind "$nic"
wait_until 20 grep -q D3hot "$dev/power_state"
reads 'asleep'
expect_ok usher rom --json "$nic"
python3 - "$work/out" <<'PY' || fail_with_output 'the document'
import json, sys
told = json.load(open(sys.argv[1]))
rom = told["rom"]
assert rom["source"] == "bar" and rom["right"] and rom["has_x86"], rom
assert told["rom_bar"]["size"] >= rom["size"] and rom["images"][0]["id"] == "8086:10d3", told
PY
# A guest that has the device open may be in the middle of an access.
sleep 60 <"/dev/vfio/$(group_of "$nic")" &
sleeper=$!
at_exit "kill $sleeper 2>/dev/null"
wait_until 10 sh -c "readlink /proc/$sleeper/fd/0 | grep -q vfio"
expect_status 3 usher rom "$nic" --allow=driver
expect_text "its group is open in sleep"
kill $sleeper
wait $sleeper 2>/dev/null
expect_ok usher release "$nic"

echo "$nic" >"$dev/driver/unbind"
at_exit "[ -e $dev/driver ] || echo $nic >/sys/bus/pci/drivers/e1000e/bind"
expect_equal 'enable' 0 "$(cat "$dev/enable")"
reads 'without a driver'
echo "$nic" >/sys/bus/pci/drivers/e1000e/bind

# The ROM of another card.
disk=$(nvme_address)
expect_status 1 usher rom "$disk"
expect_text "$disk: has no ROM"
expect_status 1 usher rom "$disk" --from "$work/theirs"
expect_text 'is for 8086:10d3, but the device is 1b36:0010'
for wish in --plan --quiet; do
	expect_status 3 timeout 60 usher run $wish --kernel "$top/build/test/guest/plug" \
		--device "$disk,rom=$work/theirs"
	expect_text 'is for 8086:10d3, but the device is 1b36:0010'
	expect_driver "$disk" nvme
done
