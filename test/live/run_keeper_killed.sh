#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# The keeper is killed: the guest stops by itself, even while its console is stuck, and restore
# returns the device.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
guest_script <<'END'
echo 'guest: ready'
while :; do echo 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef; done
END
line=$work/line
mkfifo "$line"
# The pipe is open for writing as well, so that the reader does not end with a stillborn guest.
{ sed -u '/guest: ready/q' >"$work/console"; exec sleep 600; } <>"$line" &
at_exit "kill $!"
start_guest script --device "$disk"
vmm=$(vmm_pid)
writes() {
	grep -q pipe_write "/proc/$vmm"/task/*/wchan
}
wait_until 60 writes
kill -9 "$keeper"
wait "$keeper" 2>/dev/null
wait_until 10 test ! -e "/proc/$vmm"
expect_driver "$disk" vfio-pci
expect_ok usher restore
expect_text "$disk: vfio-pci -> nvme"
expect_driver "$disk" nvme
expect_override "$disk" none
expect_equal 'the journal' '' "$(ls /run/usher/journal)"
expect_ok usher restore
