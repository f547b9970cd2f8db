#!/bin/sh
# SPDX-License-Identifier: MIT
# timeout: 540
# A guest with an NVMe disk and a network card: the card works with MSI-X and with INTx, the disk
# without an exit for each request.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

nvme=$(nvme_address) || fail 'no NVMe disk'
nic=$(e1000e_address) || fail 'no network card'

# Loads the network card's driver with one kind of interrupt: 0 INTx, 2 MSI-X (e1000e, IntMode). Its
# MSI does not work in QEMU 7.2, with or without passthrough. Pings exercise transmit, receive and
# their interrupts.
# The interface is down for a second before the change: QEMU 7.2 aborts if a throttle timer (128 µs)
# that an interrupt of one kind has started expires after the other kind is on.
try_nic() {
	cat <<-END
	ip link set eth0 down; sleep 1
	rmmod e1000e; insmod /lib/modules/e1000e.ko IntMode=$1
	ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0
	n=0; until ping -c 1 -W 2 10.0.2.2 >/dev/null || [ \$n = 10 ]; do n=\$((n + 1)); done
	ping -c 20 -i 0.1 10.0.2.2 | grep -o '[0-9]* packets received' | while read -r got; do
	echo "nic $1: \$got"; grep eth0 /proc/interrupts; done
	END
}

wish=shell
open_guest --name pass --device "$nvme" --device "$nic" --memory 256M --timing
at_exit 'cat "$console"'
wait_for_guest 'guest: ready'
{
	echo '. /dev/null; for a in rmmod insmod ping grep dd; do ln -sf busybox /bin/$a; done'
	echo 'dd if=/dev/nvme0n1 of=/dev/null bs=4096 count=1000 iflag=direct; echo "disk: $?"'
	try_nic 2
	try_nic 0
	echo exit
} >&8
wait_for_guest '^usher ended: 0'

expect_guest '^disk: 0' 'the disk cannot be read'
for mode in 2 0; do
	expect_guest "^nic $mode: 20 packets received" "the card is deaf, IntMode=$mode"
done
for kind in PCI-MSIX IO-APIC; do
	expect_guest "eth0.*$kind\|$kind.*eth0" "no interrupt of the card by $kind"
done
# 1000 requests, each with a doorbell and an interrupt. Only writes to the MSI-X table exit by BAR
# 0, and those are fewer than 400.
exits=$(sed -n "s/^timing: $nvme\.BAR_0 //p" "$console" | tail -1)
[ "${exits:-0}" -gt 0 ] || fail 'the timing does not tell of BAR 0'
[ "$exits" -lt 400 ] || fail "$exits exits by BAR 0 for 1000 requests"
expect_driver "$nvme" nvme
expect_driver "$nic" e1000e
