#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# boot: own
# libusher on the kernel: the same table of errnos as on its model; every kind of interrupt and
# reset; memory decoding off under a window; several groups in one space; the host wants a device
# back; a device is unplugged.
. "${0%/*}/lib.sh"

bin=$top/build/test/live
nvme=$(nvme_address) || fail 'no NVMe disk'
nic=$(e1000e_address) || fail 'no network card'
edu=$(edu_address) || fail 'no edu device'
e1000=$(e1000_address) || fail 'no e1000 behind the bridge'
to_vfio "$nvme" "$nic" "$e1000"

# edu has no driver. Its group exists because the card next to it is bound.
expect_status 0 "$bin/lib_device" absent "$edu"
expect_no_text 'not ok'
expect_text "$edu is on no driver, so VFIO does not have it"
expect_text "hint: usher bind $edu"
to_vfio "$edu"

limit=/sys/module/vfio_iommu_type1/parameters/dma_entry_limit
read -r entries <"$limit"
at_exit "echo $entries >$limit"
echo 64 >"$limit"
expect_status 0 "$bin/lib_errno" "$nvme" "$(group_of "$nvme")" "$edu" "$(group_of "$edu")"
expect_no_text 'not ok'
expect_text 'ok open of its group after its close' # the last row
echo "$entries" >"$limit"

read -r pages </proc/sys/vm/nr_hugepages
at_exit "echo $pages >/proc/sys/vm/nr_hugepages"
echo $((pages + 2)) >/proc/sys/vm/nr_hugepages
expect_status 0 "$bin/lib_device" all "$nic" "$nvme"
expect_no_text 'not ok'
expect_text 'ok root again' # the last of them
expect_status 0 "$bin/lib_reset" "$nvme" "$nic" "$edu" "$e1000"
cat "$work/out"
expect_no_text 'not ok'
expect_text 'ok closed in order'
# No DMA went to an address that was not mapped.
! dmesg | grep 'DMAR: \[DMA.*fault' || fail 'the IOMMU stopped a DMA'

# The host unbinds a device that a program has open: the program gets the request and closes the
# device, and the unbind succeeds.
"$bin/lib_device" request "$nvme" >"$work/request" 2>&1 &
wait_until 10 grep -q 'REQ is watched' "$work/request"
echo "$nvme" >"$pci/$nvme/driver/unbind"
expect_driver "$nvme" none
wait $! || fail "$(cat "$work/request")"
to_driver "$nvme" vfio-pci vfio-pci

# The device is unplugged while a program reads its registers.
"$bin/lib_device" pull "$nic" >"$work/pull" 2>&1 &
wait_until 10 grep -q 'REQ is watched' "$work/pull"
expect_ok qmp device_del '{"id": "nic"}'
wait $! || fail "$(cat "$work/pull")"
grep -q 'closed in order' "$work/pull" || fail "$(cat "$work/pull")"
wait_unplugged nic "$nic"
undo="to_driver $nvme nvme ''; to_driver $edu none ''; to_driver $e1000 e1000 ''"
expect_ok qmp device_add '{"driver": "e1000e", "id": "nic", "bus": "port2"}'
wait_until 20 test -e "$pci/$nic/driver"
