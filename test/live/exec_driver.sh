#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# timeout: 300
# Drivers that run as an ordinary user: edu and NVMe, compared with the kernel's own driver.
. "${0%/*}/lib.sh"

programs=$work/build
for_anyone test/live/driver_edu test/live/driver_nvme test/live/driver_pair test/live/driver_mark \
	test/live/exec_mark examples/edu-factorial examples/nvme-read
disk=$(nvme_address)
edu=$(edu_address)
block=$(block_of "$disk")

# The other member of its group is taken and returned as well.
other=$(driver_of "$(e1000_address)")
expect_ok usher exec --device "$edu" --user 1000 -- "$programs/test/live/driver_edu"
cat "$work/out"
for way in polling INTx MSI; do expect_text "edu by $way: ok"; done
expect_driver "$edu" none
expect_driver "$(e1000_address)" "$other"
expect_ok usher exec --device "$edu" --quiet --user 1000 -- "$programs/examples/edu-factorial" 10
expect_text '10! = 3628800'

# A reader of the output that ends first does not keep the device from its driver.
(usher exec --device "$edu" --user 1000 -- /bin/true; echo $? >"$work/status") 2>&1 | :
expect_equal 'exit status without a reader' 0 "$(cat "$work/status")"
expect_driver "$edu" none
expect_driver "$(e1000_address)" "$other"

# Random reads and writes; the kernel's driver then reads the same data.
dd if="/dev/$block" of="$work/disk" bs=1M count=8 iflag=direct 2>/dev/null
chown 1000 "$work/disk"
cp "$work/disk" "$work/before"
expect_ok usher exec --device "$disk" --user 1000 -- "$programs/test/live/driver_nvme" "$work/disk"
cat "$work/out"
for way in 'by interrupts' 'sixteen queues' 'the deepest queue'; do expect_text "nvme, $way"; done
expect_no_text FAILED
expect_driver "$disk" nvme
wait_until 20 test -b "/dev/$block"
! cmp -s "$work/disk" "$work/before" || fail 'nothing was written'
dd if="/dev/$block" of="$work/after" bs=1M count=8 iflag=direct 2>/dev/null
cmp "$work/disk" "$work/after" || fail 'the kernel reads something else'

usher exec --quiet --device "$disk" --user 1000 -- "$programs/examples/nvme-read" 0 2048 >"$work/read" ||
	fail 'nvme-read'
head -c 1048576 "$work/after" | cmp - "$work/read" || fail 'nvme-read reads something else'
wait_until 20 test -b "/dev/$block"
dd if="$work/before" of="/dev/$block" bs=1M count=8 oflag=direct 2>/dev/null

# Two devices in one program share a space and a buffer.
expect_ok usher exec --device "$edu" --device "$disk" --user 1000 -- \
	"$programs/test/live/driver_pair" "$edu" "$disk"
cat "$work/out"
expect_no_text 'not ok'
expect_text 'ok closed in order'
expect_ok usher exec --device "$edu" --device "$disk" --user 1000 -- \
	"$programs/test/live/driver_pair" "$edu" "$disk" apart
cat "$work/out"
expect_no_text 'not ok'
expect_text 'ok nothing was closed twice'
expect_driver "$edu" none
expect_driver "$disk" nvme
wait_until 20 test -b "/dev/$(block_of "$disk")"

# A program leaves the controller running: usher resets it before its driver gets it.
to_driver "$disk" none ''
at_exit "to_driver $disk nvme ''"
expect_ok usher exec --quiet --device "$disk" --user 1000 -- "$programs/test/live/driver_mark"
expect_text 'enabled 1, ready 1'
expect_driver "$disk" none
for register in 0x14 0x1c; do # its configuration, and status
	expect_ok "$programs/test/live/exec_mark" look "$disk" $register
	expect_text "$disk: 0x00000000"
done
to_driver "$disk" nvme ''
wait_until 20 test -b "/dev/$(block_of "$disk")"

# Too little lockable memory: the driver reports how much it needs.
expect_status 1 usher exec --quiet --device "$disk" --user 1000 --memlock 64K -- \
	"$programs/test/live/driver_nvme" "$work/disk"
cat "$work/out"
expect_text 'KiB of locked memory'
expect_text "--memlock"
