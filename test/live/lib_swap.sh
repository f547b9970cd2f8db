#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# boot: own
# timeout: 300
# Other devices in the network card's slot: conventional ones, one with a BAR smaller than a page,
# and an NVMe disk that vanishes while a program reads it: first without a request, then with one.
. "${0%/*}/lib.sh"

bin=$top/build/test/live
nic=$(e1000e_address) || fail 'no network card'
port=$(basename "$(readlink -f "$pci/$nic/..")")

# swap DRIVER [PROPERTIES]: replaces the device in the slot by another one, bound to vfio-pci.
swap() {
	unplug nic "$nic"
	insert "$@"
	echo vfio-pci >"$pci/$nic/driver_override"
	wait_until 60 settles
}

# QEMU forgets a device first, and frees it, with its hold on a disk, in an RCU callback.
insert() {
	wait_until 60 qmp device_add "{\"driver\": \"$1\", \"id\": \"nic\", \"bus\": \"port2\"${2:-}}"
	wait_until 60 test -e "$pci/$nic"
}

# Linux probes drivers for a new device some time after it appears, so the first driver is a race.
settles() {
	case $(driver_of "$nic") in
	vfio-pci) return 0 ;;
	none) echo "$nic" >/sys/bus/pci/drivers/vfio-pci/bind ;;
	*) echo "$nic" >"$pci/$nic/driver/unbind" ;;
	esac
	return 1
}

expect_facts() { # COMMAND…
	expect_status 0 "$@"
	cat "$work/out"
	expect_no_text 'not ok'
	expect_text 'ok closed in order'
}

modprobe -a vfio-pci vfio_iommu_type1
for card in rtl8139 megasas; do
	swap $card
	expect_facts "$bin/lib_conventional" $card "$nic"
done

# A memory device; its BAR is prefetchable.
expect_ok qmp object-add \
	'{"qom-type": "memory-backend-ram", "id": "shared", "size": 1048576, "share": true}'
swap ivshmem-plain ', "memdev": "shared"'
expect_facts "$bin/lib_conventional" ivshmem-plain "$nic"

# Reads from a null disk, as fast as possible. The slot loses power meanwhile, and nothing notifies
# the kernel or the program: in QEMU registers then read as zeroes, configuration space as all-ones.
expect_ok qmp blockdev-add '{"driver": "null-co", "node-name": "spare", "size": 67108864, "read-zeroes": true}'
swap nvme ', "drive": "spare", "serial": "spare"'
mkfifo "$work/go_on"
"$bin/driver_gone" "$nic" stay <"$work/go_on" >"$work/gone" 2>&1 &
exec 8>"$work/go_on"
wait_until 60 grep -q 'reads go on' "$work/gone"
setpci -s "$port" CAP_EXP+18.w=0700:0700
wait_until 60 grep -q 'the device has gone' "$work/gone"
setpci -s "$port" CAP_EXP+18.w=0100:0700
exec 8>&-
wait $! || fail "$(cat "$work/gone")"
cat "$work/gone"

# Another one: the host wants it back during the reads.
swap nvme ', "drive": "spare", "serial": "spare"'
"$bin/driver_gone" "$nic" >"$work/gone" 2>&1 &
wait_until 60 grep -q 'reads go on' "$work/gone"
expect_ok qmp device_del '{"id": "nic"}'
wait $! || fail "$(cat "$work/gone")"
cat "$work/gone"
wait_unplugged nic "$nic"
wait_until 60 qmp blockdev-del '{"node-name": "spare"}'

insert e1000e
wait_until 60 test -e "$pci/$nic/driver"
