#!/bin/sh
# SPDX-License-Identifier: MIT
# A driver that does not release its device keeps the device's lock. `usher list` and `usher show`
# are what a person then types, so they must not hang. Here an open group keeps vfio-pci from
# releasing its device.
# topology: minimal
. "${0%/*}/lib.sh"

disk=$(nvme_address)
group=$(group_of "$disk")

expect_ok usher bind "$disk"
expect_driver "$disk" vfio-pci
at_exit "usher release $disk >/dev/null"
expect_ok usher list -n --json "$disk"
expect_text '"state": "ready"'

# Open the device through its group until the holder is killed.
"$top/build/test/live/vfio_hold" "$disk" "$group" >"$work/held" &
holder=$!
at_exit "kill $holder 2>/dev/null; wait $holder"
wait_until 10 grep -q held "$work/held"
expect_ok usher list -n --json "$disk"
expect_text '"state": "lent"'
expect_text "its group is open in vfio_hold (pid $holder, root)"

echo "$disk" >"$pci/$disk/driver/unbind" &
writer=$!
sleep 1
kill -0 $writer 2>/dev/null || skip "this kernel does not wait for the descriptor"
expect_ok timeout 20 usher list -n
expect_text "$disk"
expect_text "its group is open in vfio_hold (pid $holder, root)"
# Some kernels show driver_override under that lock.
expect_ok timeout 20 usher show -n "$disk"
expect_text "its group is open in vfio_hold (pid $holder, root)"
expect_text "bind would refuse"
expect_status 3 timeout 20 usher bind "$disk"
kill -0 $writer 2>/dev/null || fail "the unbind has ended before the listing"

kill $holder
wait $writer
echo vfio-pci >"$pci/$disk/driver_override"
echo "$disk" >/sys/bus/pci/drivers_probe
expect_driver "$disk" vfio-pci
