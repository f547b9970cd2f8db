#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# A kernel that would never leave its panic: its pvpanic driver finds the port and reports the panic.
# After that, its device returns to the host driver. The small kernel has no driver for this port.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
set --
for file in $(modprobe --show-depends pvpanic-mmio | sed -n 's/^insmod //p'); do
	set -- "$@" "$file"
done
guest_script "$@" <<'END'
insmod /pvpanic.ko
insmod /pvpanic-mmio.ko
echo c >/proc/sysrq-trigger
END
words=panic=0
open_guest --device "$disk"
wait_for_guest 'usher ended'
expect_guest 'guest crashed: its kernel panicked: sysrq triggered crash'
expect_guest 'usher ended: 1'
expect_driver "$disk" nvme
expect_override "$disk" none
expect_equal 'the journal' '' "$(ls /run/usher/journal)"
