#!/bin/sh
# SPDX-License-Identifier: MIT
# timeout: 400
# Five reboots of one guest: its devices stay with it, are reset, and work again each time.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address) || fail 'no NVMe disk'
nic=$(e1000e_address) || fail 'no network card'
before=$(disk_checksum "$(block_of "$disk")")
out=$work/console
mkfifo "$work/to_guest"

said() { # N TEXT: the guest has said it that often
	[ "$(grep -c "$2" "$out")" -ge "$1" ]
}

{
	usher run --name again --device "$disk" --device "$nic" --memory 256M \
		--kernel "$kernel" --initrd "$initrd" \
		--cmdline 'console=ttyS0 quiet usher.do=again' <"$work/to_guest"
	echo "usher ended: $?"
} >"$out" 2>&1 &
at_exit 'cat "$out"'
exec 8>"$work/to_guest"
for boot in 1 2 3 4 5 6; do
	wait_until 120 said $boot 'guest: ready'
	expect_driver "$disk" vfio-pci
	expect_driver "$nic" vfio-pci
	[ $boot -lt 6 ] && echo reboot >&8 || echo off >&8
done
wait_until 60 grep -q 'usher ended' "$out"
grep -q 'usher ended: 0' "$out" || fail 'usher run failed'
expect_equal 'reads of the disk' 6 "$(grep -c "guest: nvme0n1 $before" "$out")"
expect_equal 'reboots' 5 "$(grep -c 'again: guest rebooted' "$out")"
expect_driver "$disk" nvme
expect_driver "$nic" e1000e
expect_equal 'the journal' '' "$(ls /run/usher/journal)"
