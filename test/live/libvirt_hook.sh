#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# timeout: 480
# Domains of libvirt that were never told of usher: the hook takes their devices and returns them.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"
. "${0%/*}/virt.sh"

command -v libvirtd >/dev/null || skip 'libvirtd is not installed'
disk=$(nvme_address)
block=$(block_of "$disk")
nic=$(e1000_address)
edu=$(edu_address)
all_drivers >"$work/before"

# devices_are_back: on their drivers, with their overrides, and nothing in the journal.
devices_are_back() {
	all_drivers >"$work/after"
	cmp -s "$work/before" "$work/after" && [ -z "$(ls /run/usher/journal 2>/dev/null)" ]
}

expect_back() {
	devices_are_back || { diff "$work/before" "$work/after"; fail "$1: not all is back"; }
}

write_settings
install_hook
start_libvirtd

guest_script <<'END'
load_for_devices
checksum
echo 'guest: ready'
while :; do sleep 1000; done
END
expect_ok domain vm1 script "$disk"
mv "$work/out" "$work/vm1.xml"
expect_ok domain vm2 sleep "$disk"
mv "$work/out" "$work/vm2.xml"
expect_ok domain "it's a VM" sleep "$nic"
mv "$work/out" "$work/odd.xml"
(kernel=/nowhere && domain bad sleep "$disk") >"$work/bad.xml"
for domain_ in vm1 vm2 odd bad; do expect_ok virsh_ define "$work/$domain_.xml"; done

# A disk in use: libvirt shows usher's sentence, and the domain stays.
dd if="/dev/$block" of="$work/head" bs=1M count=5 2>/dev/null
mkfs.ext4 -q "/dev/$block" 4M
mount "/dev/$block" /mnt
expect_status 1 virsh_ start vm1
expect_text "usher: $disk: $block: mounted at /mnt [block]"
expect_text 'hint: unmount it'
umount /mnt
dd if="$work/head" of="/dev/$block" bs=1M conv=fsync 2>/dev/null
expect_back 'refused'
expect_ok virsh_ domstate vm1
expect_text 'shut off'

# A start that fails behind the hook.
expect_status 1 virsh_ start bad
expect_no_text 'Hook script execution failed'
expect_back 'a failed start'

# A loan.
before=$(disk_checksum "$block")
expect_ok virsh_ start vm1
expect_driver "$disk" vfio-pci
qemu=$(pidof qemu-system-x86_64)
expect_ok usher list
expect_text "lent to domain 'vm1' of libvirt (process $qemu)"
expect_ok usher show "$disk"
expect_text "domain 'vm1' of libvirt"
expect_status 3 usher release "$disk"
expect_text "lent to domain 'vm1' of libvirt (process $qemu)"
usher check >"$work/out" 2>"$work/err"
expect_text "domains 'bad' and 'vm1' both name it: only one of them can run"
expect_text "domains 'bad' and 'vm2' both name it: only one of them can run"
expect_text "domain 'it's a VM' names it, but not $edu of its IOMMU group"
expect_no_text 'usher did not lend it'
expect_status 1 virsh_ start vm2
expect_text "lent to domain 'vm1' of libvirt"
expect_driver "$disk" vfio-pci

wait_until 120 grep -q 'guest: ready' "$work/console"
grep -q "guest: $block $before" "$work/console" || fail "the guest reads something else"

# libvirtd is killed, and comes back.
stop_libvirtd KILL
expect_ok usher restore
expect_text 'left alone'
expect_driver "$disk" vfio-pci
start_libvirtd
cp /run/usher/journal/* "$work/entry"
grep -q "^owner $qemu " "$work/entry" || fail "the owner has changed: $(cat "$work/entry")"
expect_ok virsh_ destroy vm1
expect_back 'destroyed'

# A whole group, of which the domain names one device; its QEMU is killed.
expect_ok virsh_ start "it's a VM"
expect_driver "$nic" vfio-pci
expect_driver "$edu" vfio-pci
expect_ok usher list
expect_text "lent to domain 'it's a VM' of libvirt"
kill -9 "$(pidof qemu-system-x86_64)"
wait_until 30 devices_are_back

# libvirt dies between the hook and QEMU: the hook's caller, here a shell, is the owner, and ends.
cp "$work/vm1.xml" "$work/input"
sh -c '/etc/libvirt/hooks/qemu.d/usher vm1 prepare begin - <"$1"; exit $?' sh "$work/input" ||
	fail 'the hook refuses'
expect_driver "$disk" vfio-pci
expect_ok usher list
expect_text "was lent to domain 'vm1' of libvirt"
/etc/libvirt/hooks/qemu.d/usher other prepare begin - <"$work/odd.xml" || fail 'the hook refuses'
expect_driver "$disk" nvme
expect_driver "$nic" vfio-pci
/etc/libvirt/hooks/qemu.d/usher other release end - </dev/null || fail 'the hook does not return'
expect_back 'abandoned'
/etc/libvirt/hooks/qemu.d/usher other release end - </dev/null || fail 'release is not idempotent'
/etc/libvirt/hooks/qemu.d/usher other reconnect begin - </dev/null || fail 'reconnect fails'
