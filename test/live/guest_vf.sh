#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: server
# timeout: 300
# A guest reads a disk through a virtual function while the host reads it through the physical
# function. What lspci prints of it in the guest, docs/pass-lspci.md explains.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"
. "${0%/*}/lspci.sh"

disk=$(nvme_address)
dev=$pci/$disk
[ -e "$dev/sriov_totalvfs" ] || fail "$disk has no SR-IOV"
controller=$(ls "$dev/nvme")

# virtualization CONTROLLER RESOURCE ACTION N. Ref: NVM Express 2.0, 5.29
virtualization() {
	expect_ok "$top/build/test/live/nvme_admin" "/dev/$controller" 0x1c $(($1 << 16 | $2 << 8 | $3)) "$4"
}
# From the next reset on, the controller's flexible queues (0) and interrupts (1) belong to its
# virtual functions.
virtualization 0 0 1 0
virtualization 0 1 1 0
echo 1 >"$dev/nvme/$controller/reset_controller"
wait_until 30 grep -q live "$dev/nvme/$controller/state"

expect_ok usher vfs "$disk" 1
at_exit "usher vfs $disk 0"
function=$(basename "$(readlink "$dev/virtfn0")")
virtualization 1 0 8 2
virtualization 1 1 8 1
virtualization 1 0 9 0 # online

lspci_script <<'END'
load_for_devices
checksum
END
compare_lspci "$function"
for guest in usher qemu; do
	grep -q "guest: nvme0n1 $USHER_LAB_DISK_SHA256" "$work/$guest" || fail "$guest: $(cat "$work/$guest")"
done
expect_ok usher release "$function"
expect_driver "$function" none
expect_driver "$disk" nvme
expect_equal 'the disk on the host' "$USHER_LAB_DISK_SHA256" "$(disk_checksum "${controller}n1")"
expect_ok usher vfs "$disk" 0
