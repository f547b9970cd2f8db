#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# A run refuses a device in use, and the message names the user.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
start_guest sleep --device "$disk"
expect_status 3 guest poweroff --name second --device "$disk"
expect_text "guest"
expect_status 125 guest poweroff
expect_text "a guest named 'guest' runs already"
expect_status 3 usher release "$disk"
kill "$keeper"
wait "$keeper"
expect_driver "$disk" nvme

# A process that is not usher has the group's node open.
expect_ok usher bind "$disk"
sleep 100 <"/dev/vfio/$(group_of "$disk")" &
holder=$!
wait_until 10 sh -c "readlink /proc/$holder/fd/0 | grep -q /dev/vfio/"
expect_status 3 guest poweroff --device "$disk"
expect_text "$holder"
kill $holder
wait $holder 2>/dev/null
expect_ok usher release "$disk"
expect_driver "$disk" nvme
