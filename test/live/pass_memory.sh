#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# guest: small
# timeout: 240
# The memory of the host that usher-vmm takes besides the guest's RAM.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address) || fail 'no NVMe disk'
nic=$(e1000e_address) || fail 'no network card'

# [KiB] of all mappings but the guest's RAM, the only one of its size.
own_memory() {
	awk '/^[0-9a-f]+-/ { own = 1 } /^Size:/ { own = $2 < 262144 } /^Pss:/ && own { sum += $2 }
		END { print sum }' "/proc/$(vmm_pid)/smaps"
}

measure() { # DEVICE…: into $pss
	start_guest sleep --memory 256M "$@"
	pss=$(own_memory)
	awk '/^[0-9a-f]+-/ { name = $6 } /^Size:/ { size = $2 }
		/^Pss:/ && $2 > 30 { print $2 " KiB of " size " " name }' "/proc/$(vmm_pid)/smaps"
	kill -INT "$keeper"
	wait "$keeper"
}

measure --device "$disk"
one=$pss
measure --device "$disk" --device "$nic"
two=$pss
echo "one device: $one KiB, the next: $((two - one)) KiB"
[ "$one" -le 4096 ] || fail 'more than 4 MiB with one device'
[ $((two - one)) -le 256 ] || fail 'more than 256 KiB for one device more'
