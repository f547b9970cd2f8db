#!/bin/sh
# SPDX-License-Identifier: MIT
# The host unbinds a device while a guest has it: the guest keeps it, the log says who is waited
# for, and the unbind goes through when the guest ends.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

nvme=$(nvme_address) || fail 'no NVMe disk'
start_guest sleep --device "$nvme" --memory 256M --return vfio
echo "$nvme" >"$pci/$nvme/driver/unbind" &
unbind=$!
wait_until 20 grep -q "$nvme: the host wants the device back" "$work/keeper"
kill -0 $unbind || fail 'the device left a guest that runs'
kill "$(vmm_pid)"
wait $unbind
expect_driver "$nvme" none
wait $keeper
to_driver "$nvme" nvme ''
