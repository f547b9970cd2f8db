#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# timeout: 400
# A guest begins without a device and with two empty slots. A network card and a disk come while it
# runs, and the disk can be read. The host takes the disk back; it comes again into the slot that it
# has left.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address) || fail 'no NVMe disk'
nic=$(e1000e_address) || fail 'no network card'

guest_script <<'END'
say() {
	echo "guest: $1:" $(for device in /sys/bus/pci/devices/*; do
		hexdump -n 4 -e '2/2 "%04x " "\n"' $device/config
	done)
}
while read -r module; do
	case $module in *nvme*) insmod "$module" ;; esac
done </modules
say 'at first'
echo 'guest: ready'
for round in 1 2; do
	read -r word
	checksum
	say "round $round"
	read -r word
	n=0
	while [ -e /dev/nvme0n1 ] && [ $((n += 1)) -lt 600 ]; do sleep 0.1; done
	say "without $round"
done
END

group_of() {
	basename "$(readlink "$pci/$1/iommu_group")"
}

# attach ADDRESS RESULT: and what the small keeper says of it.
attach() {
	before=$(grep -c '^attached ' "$console")
	echo "attach $1 $(group_of "$1")" >&7
	wait_until 90 answered
	expect_guest "^attached $1: $2" "attach of $1"
}

answered() {
	[ "$(grep -c '^attached ' "$console")" -gt "$before" ] || grep -q '^usher ended' "$console"
}

# to_vfio ADDRESS: as a keeper does it.
to_vfio() {
	echo vfio-pci >"$pci/$1/driver_override"
	[ ! -e "$pci/$1/driver" ] || echo "$1" >"$pci/$1/driver/unbind"
	echo "$1" >/sys/bus/pci/drivers_probe
	expect_driver "$1" vfio-pci
}

# to_host: gives both back, whatever has them.
to_host() {
	for device_ in "$disk" "$nic"; do
		echo >"$pci/$device_/driver_override"
		[ ! -e "$pci/$device_/driver" ] || echo "$device_" >"$pci/$device_/driver/unbind"
		echo "$device_" >/sys/bus/pci/drivers_probe
	done
}

sum=$(dd if="/dev/$(block_of "$disk")" bs=1M count=8 iflag=direct 2>/dev/null | sha256sum)
sum=${sum%% *}
modprobe vfio-pci
at_exit to_host
for device in "$disk" "$nic"; do to_vfio "$device"; done

console=$work/console
mkfifo "$work/to_guest" "$work/commands"
: >"$console"
run_attach() {
	"$top/build/test/live/vmm_attach" usher-vmm --slots 2 --memory 256M --kernel "$kernel" \
		--initrd "$initrd" --cmdline "$boot_words usher.do=script" \
		<"$work/to_guest" 3<"$work/commands"
}
{
	until run_attach; status_=$?; ! stillborn "$console"; do :>"$console"; done
	echo "usher ended: $status_"
} >>"$console" 2>&1 &
exec 8>"$work/to_guest" 7>"$work/commands"

wait_for_guest '^guest: ready'
! grep '^guest: at first: .*\(8086 10d3\|1b36 0010\)' "$console" || fail 'a device before its time'
attach "$nic" 0
attach "$disk" 0
for round in 1 2; do
	echo read >&8
	wait_for_guest "^guest: round $round: .*1b36 0010"
	expect_equal "what the guest reads in round $round" "$round" "$(grep -c "^guest: nvme0n1 $sum" "$console")"
	expect_guest "^guest: round $round: .*8086 10d3"
	echo gone >&8
	echo "$disk" >"$pci/$disk/driver/unbind" || fail 'unbind'
	expect_driver "$disk" none
	wait_for_guest "^guest: without $round:"
	! grep "^guest: without $round: .*1b36 0010" "$console" || fail 'the disk is still there'
	[ "$round" = 2 ] || { to_vfio "$disk"; attach "$disk" 0; }
done
expect_equal 'how often it was asked for' 2 "$(grep -c "$disk: the guest has released the device" "$console")"
wait_for_guest '^usher ended: 0'
