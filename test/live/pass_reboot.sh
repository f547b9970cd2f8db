#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# guest: small
# timeout: 400
# Five reboots of one guest: its devices stay with it, are reset, and work again each time. At its
# end the statistics are right. Another guest panics.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address) || fail 'no NVMe disk'
nic=$(e1000e_address) || fail 'no network card'
before=$(disk_checksum "$(block_of "$disk")")

said() { # N TEXT: the guest has said it that often
	[ "$(grep -c "$2" "$console")" -ge "$1" ]
}

wish=again
at_exit 'grep -v ^trace: "$console"'
boots() { # six of one guest, or as many as it lives
	open_guest --name again --device "$disk" --device "$nic" --memory 256M \
		--stats="$work/stats" --trace-bar "$nic:0" --peers
	for boot in 1 2 3 4 5 6; do
		wait_for_times $boot 'guest: ready'
		said $boot 'guest: ready' || break
		expect_driver "$disk" vfio-pci
		expect_driver "$nic" vfio-pci
		# Each boot has a new VM of KVM, which learns of the devices again.
		ls -l "/proc/$(vmm_pid)/fd" >"$work/fds"
		expect_equal "KVM's VFIO devices, boot $boot" 1 "$(grep -c 'kvm-vfio' "$work/fds")"
		expect_equal "VFIO containers, boot $boot" 1 "$(grep -c '/dev/vfio/vfio$' "$work/fds")"
		expect_equal "VFIO groups, boot $boot" 0 "$(grep -c '/dev/vfio/[0-9]' "$work/fds")"
		[ $boot -lt 6 ] && echo reboot >&8 || echo off >&8
	done
	wait_for_guest '^usher ended'
}
until boots; ! stillborn_again "$console"; do :; done
wait_for_guest '^usher ended: 0'
expect_equal 'reads of the disk' 6 "$(grep -c "guest: nvme0n1 $before" "$console")"
! grep 'cannot reach each other' "$console" || fail 'peer to peer'
expect_equal 'reboots' 5 "$(grep -c 'again: guest rebooted' "$console")"
expect_driver "$disk" nvme
expect_driver "$nic" e1000e
expect_equal 'the journal' '' "$(ls /run/usher/journal)"

# The statistics as JSON: reboots, one reset of each device for each reboot, interrupts by vector.
cat "$work/stats"
python3 - "$work/stats" "$disk" "$nic" <<'END' || fail 'the statistics'
import json, sys
told = json.load(open(sys.argv[1]))
disk, nic = (told["devices"][address] for address in sys.argv[2:])
assert told["reboots"] == 5 and told["end"] == "powered off", told
assert told["exits"]["total"] > told["exits"]["mmio"] > 0, told["exits"]
assert told["kvm"]["exits"] > 0, told["kvm"]
peers = told["memory"].pop("peers")
assert told["memory"] == {"ram": 256 << 20, "for_dma": 256 << 20}, told["memory"]
# The other devices reach exactly what is mapped into the guest.
mapped = sum(bar["mapped"] for device in (disk, nic) for name, bar in device.items() if name.startswith("BAR"))
assert peers == mapped > 0, (peers, mapped)
assert disk["resets"] == nic["resets"] == 5, (disk["resets"], nic["resets"])
# The disk has a function level reset. The card has none: usher-vmm resets its bus.
assert disk["bus_resets"] == 0 and nic["bus_resets"] == 5, (disk["bus_resets"], nic["bus_resets"])
assert sum(disk["msix"].values()) >= 6 * 8, disk["msix"]
assert disk["BAR 0"]["mapped"] > 0 and nic["BAR 0"]["mapped"] == 0
assert nic["BAR 0"]["exits"] > 0
END
# The trace of a BAR shows the driver mask all interrupts.
grep -q "^trace: $nic BAR 0 +0xd8 write4 0xffffffff IMC" "$console" || fail 'no trace of the card'

expect_status 1 guest panic --device "$disk" --stats
expect_text 'guest crashed: its kernel panicked: sysrq triggered crash'
expect_text "stats: devices.$disk.resets "
expect_text 'stats: end its kernel panicked: sysrq triggered crash'
expect_driver "$disk" nvme
