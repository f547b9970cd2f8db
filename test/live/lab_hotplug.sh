#!/bin/sh
# SPDX-License-Identifier: MIT
# boot: own
# A test can unplug hardware of the host that it runs on. 'usher monitor' tells an ordinary user of it, and
# when the kernel has dropped events, because nobody read them, it says so and finds out what was missed.
. "${0%/*}/lib.sh"

nic=$(e1000e_address) || fail 'no network card'
for_anyone src/cli/usher src/cli/usher-whole
setpriv --reuid 65534 --regid 65534 --clear-groups "$work/build/src/cli/usher" monitor >"$work/told" &
monitor=$!
at_exit 'cat "$work/told"; kill -KILL $monitor 2>/dev/null'
told() { grep -qF -- "$1" "$work/told"; }
listens() { ls -l "/proc/$monitor/fd" | grep -q inotify; }
wait_until 20 listens
expect_ok qmp query-status
expect_text running
expect_status 1 qmp device_del '{"id": "nothing"}'
expect_text DeviceNotFound
unplug nic "$nic"
expect_ok qmp device_add '{"driver": "e1000e", "id": "nic", "bus": "port2"}'
wait_until 20 test -e "$pci/$nic/driver"
wait_until 10 told "removed   $nic 8086:10d3 Ethernet controller"
wait_until 10 told "added     $nic 8086:10d3 Ethernet controller"
wait_until 10 told "driver    $nic no driver -> e1000e"

kill -STOP "$monitor"
n=0
while [ $((n += 1)) -le 2000 ]; do echo change; done | while read -r word; do
	echo "$word" >"$pci/$nic/uevent"
done
echo "$nic" >"/sys/bus/pci/drivers/e1000e/unbind"
kill -CONT "$monitor"
wait_until 20 told 'overrun   the kernel has dropped events'
wait_until 10 told "driver    $nic e1000e -> no driver (missed)"
echo "$nic" >"/sys/bus/pci/drivers/e1000e/bind"
wait_until 10 told "driver    $nic no driver -> e1000e"
kill -TERM "$monitor"
wait "$monitor" || fail "the monitor ended with status $?"
