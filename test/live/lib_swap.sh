#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# boot: own
# timeout: 300
# Other devices in the network card's slot: conventional ones, with a BAR smaller than a page, and
# an NVMe disk that is taken away while a program reads it: asked for first, and then not.
. "${0%/*}/lib.sh"

bin=$top/build/test/live
nic=$(e1000e_address) || fail 'no network card'
port=$(basename "$(readlink -f "$pci/$nic/..")")

# swap DRIVER [PROPERTIES]: that device instead of the one that is there, on vfio-pci.
swap() {
	unplug nic "$nic"
	insert "$@"
}

insert() {
	expect_ok qmp device_add "{\"driver\": \"$1\", \"id\": \"nic\", \"bus\": \"port2\"${2:-}}"
	wait_until 60 test -e "$pci/$nic"
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
	to_driver "$nic" vfio-pci vfio-pci
	expect_facts "$bin/lib_conventional" $card "$nic"
done

# Reads from nowhere, as fast as they come.
expect_ok qmp blockdev-add '{"driver": "null-co", "node-name": "spare", "size": 67108864, "read-zeroes": true}'
swap nvme ', "drive": "spare", "serial": "spare"'
to_driver "$nic" vfio-pci vfio-pci
"$bin/driver_gone" "$nic" >"$work/gone" 2>&1 &
wait_until 60 grep -q 'reads go on' "$work/gone"
expect_ok qmp device_del '{"id": "nic"}'
wait $! || fail "$(cat "$work/gone")"
cat "$work/gone"
wait_unplugged nic "$nic"

# The slot's power goes off under it: no kernel and no program is asked.
insert nvme ', "drive": "spare", "serial": "spare"'
to_driver "$nic" vfio-pci vfio-pci
"$bin/driver_gone" "$nic" stay >"$work/gone" 2>&1 &
wait_until 60 grep -q 'reads go on' "$work/gone"
setpci -s "$port" CAP_EXP+18.w=0700:0700
wait $! || fail "$(cat "$work/gone")"
cat "$work/gone"
wait_unplugged nic "$nic"

insert e1000e
wait_until 60 test -e "$pci/$nic/driver"
