#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# timeout: 200
# An unbind that does not return: a process has the VFIO device open, and the kernel waits for it,
# where no signal reaches the writer. usher reports this, does not hang itself, and cleans up later.
. "${0%/*}/lib.sh"

card=$(e1000e_address)
group=$(group_of "$card")
expect_ok usher bind "$card"
"$top/build/test/live/vfio_hold" "$card" "$group" >"$work/held" &
holder=$!
at_exit "kill $holder 2>/dev/null"
wait_until 20 grep -q held "$work/held"

# The check comes first, so nothing waits.
expect_status 3 usher release "$card"
expect_text "vfio_hold (pid $holder"
expect_status 3 usher restore --all
expect_status 3 usher bind "$card"
expect_driver "$card" vfio-pci

# --allow skips the check: the write hangs, and usher returns.
expect_status 1 usher release "$card" --allow vfio --timeout 2
expect_text 'the kernel did not come back within 2 s'
expect_text 'waits in vfio_'
writer=$(sed -n 's/^writer \([0-9]*\) .*/\1/p' "/run/usher/journal/$group")
expect_equal 'the state of the writer' D "$(sed 's/.*) \(.\).*/\1/' "/proc/$writer/stat")"
expect_equal 'the descriptors that it keeps' 2 "$(ls "/proc/$writer/fd" | wc -l)"

# Other commands on the group report it and do not hang either.
expect_status 1 usher release "$card"
expect_text "process $writer of usher is stuck in the kernel (vfio_"
expect_text "see /proc/$writer/stack"
expect_status 3 usher bind "$card"
expect_text "process $writer of usher is stuck in the kernel (vfio_"
expect_text 'when the device is no longer in use, run usher restore'
expect_ok usher restore
expect_text "process $writer of usher is stuck in the kernel (vfio_"
expect_text "left alone: run 'usher restore' again when the device is free"

# The holder closes the device: the unbind ends, and restore does the rest.
kill $holder
wait $holder 2>/dev/null
wait_until 30 test ! -e "/proc/$writer"
expect_ok usher restore
expect_driver "$card" e1000e
expect_override "$card" none
expect_equal 'the journal' '' "$(ls /run/usher/journal)"
