#!/bin/sh
# SPDX-License-Identifier: MIT
# boot: own
# timeout: 300
# Hardware that fails while a guest has it: the network card reports an error that it cannot correct
# (AER), the disk is pulled. The guest loses them one by one, and goes on.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

nvme=$(nvme_address) || fail 'no NVMe disk'
nic=$(e1000e_address) || fail 'no network card'

guest_script <<'END'
ids() { # as the devices themselves say it, now
	for device in /sys/bus/pci/devices/*; do hexdump -n 4 -e '2/2 "%04x " "\n"' $device/config; done
}
try() {
	timeout 60 dd if=/dev/nvme0n1 of=/dev/null bs=4k count=100 iflag=direct 2>/dev/null &&
		echo "guest: the disk reads, $1"
	echo "guest: $1:" $(ids | grep -e '8086 10d3' -e '1b36 0010' -e 'ffff ffff')
}
load_for_devices
wait_for /dev/nvme0n1
try 'at first'
echo 'guest: ready'
read word; try "after $word"
read word; try "after $word"
END
open_guest --name faults --device "$nvme" --device "$nic" --memory 256M
wait_for_guest '^guest: ready'
expect_guest '^guest: the disk reads, at first'
expect_guest '^guest: at first: .*8086 10d3'

expect_ok qmp human-monitor-command '{"command-line": "pcie_aer_inject_error nic POISON_TLP"}'
expect_no_text 'error'
wait_for_guest "$nic: .*error"
echo error >&8
wait_for_guest '^guest: after error:'
expect_guest '^guest: the disk reads, after error' 'the disk went with the card'
expect_guest '^guest: after error: .*ffff ffff' 'the guest still has a card that failed'

expect_ok qmp device_del '{"id": "nvme"}'
wait_for_guest "$nvme: .*gone"
echo removal >&8
wait_for_guest '^usher ended'
expect_guest '^guest: after removal: .*ffff ffff'
! grep -q '^guest: the disk reads, after removal' "$console" || fail 'a disk that is gone reads'
cat "$console"
wait_until 30 test ! -e "$pci/$nvme"
expect_driver "$nic" e1000e
expect_equal 'the journal' '' "$(ls /run/usher/journal)"

# A disk again, for those who look whether all is where it was.
expect_ok qmp device_add '{"driver": "nvme", "id": "nvme", "bus": "port1", "serial": "lab-disk", "drive": "disk"}'
wait_until 30 test -e "$pci/$nvme/driver"
