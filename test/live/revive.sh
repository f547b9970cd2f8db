#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: slots
# timeout: 400
# A device that left the bus, or that does not answer, comes back by the step that its case needs:
# removed from sysfs, without power while it slept, without power for a while, in a slot that is
# off. One that is gone for good is reported. What a step changed is put back, also after a death.
. "${0%/*}/lib.sh"

disk=$(nvme_address)
nic=$(e1000e_address)
edu=$(edu_address)
above() { basename "$(dirname "$(readlink -f "$pci/$1")")"; }
port=$(above "$disk")
slot_of() {
	for slot_ in /sys/bus/pci/slots/*; do
		[ "$(cat "$slot_/address")" != "${1%.*}" ] || { echo "$slot_"; return; }
	done
	fail "no slot of $1"
}
slot=$(slot_of "$disk")
slot() { python3 "${0%/*}/slot.py" "$port" "$1" || fail "slot.py $1"; }
state() { ls /run/usher/revive 2>/dev/null; }
settings() { cat "$pci/$1/power/control" "$pci/$1/d3cold_allowed" | tr '\n' ' '; }

# revive_stopped N COMMAND…: usher stops after its Nth change; the commands run; usher goes on.
revive_stopped() {
	n_=$1
	shift
	USHER_BIND_STOP=$n_ usher revive "$disk" >"$work/out" 2>"$work/err" &
	usher_=$!
	wait_until 30 grep -q '^State:.T' "/proc/$usher_/status"
	"$@"
	kill -CONT $usher_
	wait $usher_
	expect_equal 'the end of usher revive' 0 $?
	command="usher revive $disk, stopped after change $n_"
}

# A device that answers needs nothing.
expect_ok usher revive "$disk"
expect_text 'nothing to do'

# Removed from sysfs: --dry-run changes nothing, the scan finds it, and its sibling stays.
echo 1 >"$pci/$edu/remove"
expect_ok usher revive "$edu" --dry-run
expect_text "/sys/class/pci_bus/${edu%:*}/rescan"
[ ! -e "$pci/$edu" ] || fail 'a plan has scanned the bus'
expect_ok usher revive "$edu" --json
expect_document
grep -q '"back": true' "$work/out" || fail_with_output 'not back'
grep -q '"source": "the kernel log"' "$work/out" || fail_with_output 'not known by the kernel log'
expect_driver "$edu" none
expect_driver "$nic" e1000e

# Steps that would touch the network card are left out: nothing is known of a third function, and
# then the card is in use. The caller's own SSH session is never cut.
index=$(cat "$pci/$nic"/net/*/ifindex)
interface=$(ls "$pci/$nic/net")
expect_status 3 usher revive "${nic%.*}.5"
expect_text 'nothing says that a device was there'
ip addr add 10.9.9.1/24 dev "$interface"
ip link set "$interface" up
expect_status 3 usher revive "${nic%.*}.5" --id 1234:11e8
expect_text "$interface: carries the route to 10.9.9.0/24"
export SSH_CONNECTION='10.9.9.2 5000 10.9.9.1 22'
expect_status 3 usher revive "${nic%.*}.5" --id 1234:11e8 --allow=net
expect_text 'this SSH session comes in by it'
unset SSH_CONNECTION
ip link set "$interface" down
ip addr flush dev "$interface"
expect_equal 'the interface of the network card' "$index" "$(cat "$pci/$nic"/net/*/ifindex)"

# In use itself: refused before anything is done.
mkdir "$work/mnt"
mkfs.ext4 -q "/dev/$(block_of "$disk")" && mount -o ro "/dev/$(block_of "$disk")" "$work/mnt" ||
	fail 'mount the disk'
slot cut
expect_status 3 usher revive "$disk"
expect_text "in use: $(block_of "$disk"): mounted at"
slot feed
umount "$work/mnt" || fail 'umount'
# It answers again, but the kernel's BARs are not in its registers any more: it is found anew.
expect_ok usher revive "$disk"
expect_text 'lost its power'
expect_text 'remove it, scan its bus: answers'
wait_until 10 has_driver "$disk" nvme
expect_status 3 usher revive 0000:00:1f.0 --id 1234:5678
expect_status 3 usher revive 0000:77:00.0
expect_text 'no port of this host leads to bus 77'

# It lost its power while it slept on vfio-pci. Its new settings wake it: they stay, which is said.
expect_ok usher bind "$disk"
wait_until 10 grep -q suspended "$pci/$disk/power/runtime_status"
slot cut
revive_stopped 1 slot feed
expect_text 'ATTR{d3cold_allowed}="0"'
expect_equal 'the settings that woke it' 'on 0 ' "$(settings "$disk")"
expect_driver "$disk" vfio-pci
expect_ok usher release "$disk"
echo 1 >"$pci/$disk/d3cold_allowed"

# Stuck in D3cold on vfio-pci: the kernel gave it up. Power returns; it is reset and found again, on
# the driver that it was bound to, and its lease is whole.
expect_ok usher bind "$disk"
before=$(settings "$disk")
slot cut
expect_status 3 usher bind "$disk"
expect_text "hint: usher revive $disk"
expect_status 3 usher check "$disk"
expect_text "usher revive $disk"
revive_stopped 3 slot feed
expect_text 'is back: 1b36:0010, vfio-pci'
expect_driver "$disk" vfio-pci
expect_override "$disk" vfio-pci
expect_equal 'its settings' "$before" "$(settings "$disk")"
expect_equal 'the journal' '' "$(state)"
expect_ok usher release "$disk"
expect_driver "$disk" nvme
expect_override "$disk" none

# revive_dies N [STOP]: usher dies after its Nth change; with STOP, power returns after that change.
# False when it ended before; the journal is empty then as well.
revive_dies() {
	USHER_BIND_DIE=$1 USHER_BIND_STOP=${2:-0} usher revive "$disk" >"$work/out" 2>"$work/err" &
	usher_=$!
	command="usher revive $disk, killed after change $1"
	if [ -n "${2:-}" ]; then
		wait_until 30 grep -q '^State:.T' "/proc/$usher_/status"
		slot feed
		kill -CONT $usher_
	fi
	wait $usher_
	status=$?
	[ $status -ne 0 ] || return 1
	[ $status -eq 137 ] || fail_with_output "ended with $status"
}

# Killed after each change, with the power back afterwards, or before the reset: restore completes
# it. Without power, the kernel would wait for two minutes in the reset.
for n in $(seq 1 30); do
	expect_ok usher bind "$disk"
	before=$(settings "$disk")
	slot cut
	[ "$n" -gt 5 ] && stop=5 || stop=
	revive_dies "$n" $stop || break
	slot feed
	expect_ok usher restore
	expect_equal "the journal after change $n" '' "$(state)"
	expect_driver "$disk" vfio-pci
	expect_override "$disk" vfio-pci
	expect_equal "its settings after change $n" "$before" "$(settings "$disk")"
	# Without its power it lost its registers, which is not usher's doing. New settings may be
	# what brings it back: then they stay.
	expect_ok usher revive "$disk"
	echo 1 >"$pci/$disk/d3cold_allowed"
	expect_ok usher release "$disk"
	expect_driver "$disk" nvme
done
[ "$n" -gt 10 ] && [ "$n" -lt 30 ] || fail "$n changes"
expect_equal 'its settings' "$before" "$(settings "$disk")"
expect_ok usher release "$disk"

# The same for one that was removed from sysfs, as often as there are changes.
for n in $(seq 1 30); do
	echo 1 >"$pci/$disk/remove"
	revive_dies "$n" || break
	expect_ok usher restore
	expect_equal "the journal after change $n" '' "$(state)"
	expect_driver "$disk" nvme
done
[ "$n" -gt 2 ] && [ "$n" -lt 30 ] || fail "$n changes"

# Gone while it is bound: its lease ends by its address, though nothing is there to be returned.
leases() { ls /run/usher/journal; }
expect_ok usher bind "$disk"
echo 1 >"$pci/$disk/remove"
expect_ok usher release "$disk"
expect_text "$disk: the device is gone"
expect_equal 'the leases' '' "$(leases)"
expect_ok usher revive "$disk"
wait_until 10 has_driver "$disk" nvme

# Gone while it is bound, and found again: it is bound again, for its lease says so.
expect_ok usher bind "$disk"
echo 1 >"$pci/$disk/remove"
expect_ok usher restore "$disk"
expect_text 'left alone'
expect_ok usher revive "$disk"
expect_driver "$disk" vfio-pci

# Dead while it is bound: its driver does not take it, and the advice helps.
slot cut
expect_status 1 usher release "$disk"
expect_text "hint: usher revive $disk, then: usher restore"
slot feed
expect_ok usher revive "$disk"
expect_ok usher restore
expect_equal 'the leases' '' "$(leases)"
wait_until 10 has_driver "$disk" nvme
expect_override "$disk" none

# In a slot that is off, and killed after each change.
slot_empty() {
	echo 0 >"$slot/power" || fail 'switch the slot off'
	wait_until 20 qmp_forgot nvme
}
slot_fill() {
	slot deaf
	expect_ok qmp device_add \
		'{"driver": "nvme", "id": "nvme", "bus": "port1", "serial": "lab-disk", "drive": "disk"}'
}
for n in $(seq 1 30); do
	slot_empty
	slot_fill
	revive_dies "$n" || break
	expect_ok usher restore
	expect_equal "the journal after change $n" '' "$(state)"
	expect_ok usher revive "$disk"
	wait_until 10 has_driver "$disk" nvme
done
expect_text 'switch the power of its slot: answers'
[ "$n" -gt 3 ] && [ "$n" -lt 30 ] || fail "$n changes"
wait_until 10 has_driver "$disk" nvme
slot_empty

# Gone for good: only a hand helps. The slot is off, as it was.
expect_status 1 usher revive "$disk"
expect_text 'reports no card'
expect_text 'unplug the power'
expect_equal 'the power of the slot' 0 "$(cat "$slot/power")"
expect_equal 'the journal' '' "$(state)"
slot_fill
expect_ok usher revive "$disk"
wait_until 10 has_driver "$disk" nvme
