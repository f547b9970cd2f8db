#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: server
# timeout: 600
# A hundred of the random rounds of './dev bench rounds', with fixed seeds.
. "${0%/*}/lib.sh"

# They set these of the network cards, and expect to find them again.
for device in "$pci"/*; do
	[ "$(driver_of "${device##*/}")" = e1000e ] || continue
	at_exit "echo $(cat "$device/power/control") >$device/power/control"
	at_exit "echo $(cat "$device/reset_method") >$device/reset_method"
done
python3 -B "$top/bench/rounds" --inside --strict 100 --seed 7 || fail 'see above'
