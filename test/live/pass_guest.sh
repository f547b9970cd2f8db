#!/bin/sh
# SPDX-License-Identifier: MIT
# timeout: 240
# A guest with an NVMe disk and a network card: the card by MSI-X and by INTx, the disk with not
# one exit for a request.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

nvme=$(nvme_address) || fail 'no NVMe disk'
nic=$(e1000e_address) || fail 'no network card'
out=$work/console
to_guest=$work/to_guest
mkfifo "$to_guest"

expect_guest() { # TEXT
	wait_until 120 grep -q "$1" "$out"
}

# The network card again, with one kind of interrupt: 0 INTx, 2 MSI-X (e1000e, IntMode;
# its MSI does not work in QEMU 7.2, with or without passthrough).
# Pings take the device through transmit, receive and their interrupts. Down for a moment before it
# changes: QEMU 7.2 aborts when a throttle timer (128 µs) that an interrupt of one kind has started
# runs out after the other kind is on.
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

{
	usher run --name pass --device "$nvme" --device "$nic" --memory 256M --timing \
		--kernel "$kernel" --initrd "$initrd" \
		--cmdline 'console=ttyS0 quiet usher.do=shell' <"$to_guest"
	echo "usher ended: $?"
} >"$out" 2>&1 &
exec 8>"$to_guest"
expect_guest 'guest: ready'
{
	echo '. /dev/null; for a in rmmod insmod ping grep dd; do ln -sf busybox /bin/$a; done'
	echo 'dd if=/dev/nvme0n1 of=/dev/null bs=4096 count=1000 iflag=direct; echo "disk: $?"'
	try_nic 2
	try_nic 0
	echo exit
} >&8
expect_guest 'usher ended'
cat "$out"

grep -q '^disk: 0' "$out" || fail 'the disk cannot be read'
for mode in 2 0; do
	grep -q "^nic $mode: 20 packets received" "$out" || fail "the card is deaf, IntMode=$mode"
done
for kind in PCI-MSIX IO-APIC; do
	grep eth0 "$out" | grep -q "$kind" || fail "no interrupt of the card by $kind"
done
# 1000 requests, each with a doorbell and an interrupt: BAR 0 is left when the table is written, and
# that is less than half as often.
exits=$(sed -n 's/^timing: mmio\.BAR_0 //p' "$out" | sort -n | tail -1)
[ "${exits:-0}" -gt 0 ] || fail 'the timing does not tell of BAR 0'
[ "$exits" -lt 400 ] || fail "$exits exits by BAR 0 for 1000 requests"
grep -q 'usher ended: 0' "$out" || fail 'usher run failed'
expect_driver "$nvme" nvme
expect_driver "$nic" e1000e
