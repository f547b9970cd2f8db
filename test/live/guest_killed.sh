#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# timeout: 600
# kill -9 of usher-vmm at random moments: the device returns to its driver and works.
# USHER_MOMENTS="…" repeats the moments of an earlier run: hundredths of a second after the start.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
before=$(disk_checksum "$(block_of "$disk")")
guest_script <<'END'
load_for_devices
wait_for /dev/nvme0n1
while :; do dd if=/dev/nvme0n1 of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null; done
END
moments=${USHER_MOMENTS:-$(od -An -N8 -tu2 /dev/urandom | awk '{ for (n = 1; n <= NF; n++) print $n % 600 }')}

for moment in $moments; do
	echo "killed $moment hundredths of a second after its start"
	open_guest --device "$disk" --memory 256M
	wait_until 60 vmm_pid
	vmm=$(vmm_pid)
	sleep "$((moment / 100)).$(printf %02d $((moment % 100)))"
	kill -9 "$vmm"
	wait_until 60 grep -q '^usher ended' "$console"
	expect_guest '^usher ended: 137'
	expect_driver "$disk" nvme
	expect_override "$disk" none
	expect_equal 'the journal' '' "$(ls /run/usher/journal)"
	wait_until 30 block_of "$disk"
	block=$(block_of "$disk")
	wait_until 30 test -b "/dev/$block"
	expect_equal 'the disk' "$before" "$(disk_checksum "$block")"
done
