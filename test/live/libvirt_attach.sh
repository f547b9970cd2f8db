#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: cards
# timeout: 480
# Devices to and from a domain of libvirt that runs, and its configuration.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"
. "${0%/*}/virt.sh"

command -v libvirtd >/dev/null || skip 'libvirtd is not installed'
disk=$(nvme_address)
nic=$(e1000e_address) # one card of two functions, and so one group
edu=$(edu_address)
card=$(address_of 1b36:000d)
before=$(all_drivers)

card_is_gone() {
	! usher guests | grep '^vm1' | grep -q "$card"
}

# domain_has NAME DEVICE…: while it runs, exactly these.
domain_has() {
	expect_ok usher guests --json
	python3 -c 'import json, sys
guest, = [g for g in json.load(open(sys.argv[1]))["guests"] if g["name"] == sys.argv[2]]
sys.exit(guest["devices"] != sys.argv[3:])' "$work/out" "$@" || fail_with_output "not exactly: $*"
}

write_settings
install_hook
# A name that libvirt replaces by a URI.
cp /etc/libvirt/libvirt.conf "$work/"
echo 'uri_aliases = [ "here=qemu:///system", "there=test+tcp://127.0.0.1:9/default" ]' >/etc/libvirt/libvirt.conf
at_exit 'mv "$work/libvirt.conf" /etc/libvirt/'
start_libvirtd
expect_ok domain vm1 sleep "$disk"
mv "$work/out" "$work/vm1.xml"
expect_ok virsh_ define "$work/vm1.xml"
expect_ok virsh_ start vm1
qemu=$(pidof qemu-system-x86_64)

# A bridge gives vm2 room for conventional devices, and one more port for a third PCIe device. Its guest never runs.
bridge="<controller type='pci' model='pcie-to-pci-bridge'/><controller type='pci' model='pcie-root-port'/>"
expect_ok domain vm2 sleep
sed "s|<serial|$bridge<serial|; s|$work/console|/dev/null|" "$work/out" >"$work/vm2.xml"
expect_ok virsh_ create --paused "$work/vm2.xml"
wait_until 120 grep -q 'guest: ready' "$work/console"

# What is in use is refused, and nothing changes.
eth=$(ls "$pci/$nic/net")
ip addr add 192.0.2.7/32 dev "$eth"
ip link set "$eth" up
expect_status 3 usher attach --live vm1 "$nic"
expect_text '[net]'
ip addr flush dev "$eth"
ip link set "$eth" down
expect_driver "$nic" e1000e

# One device of the group does not fit into vm1: the other one leaves it again.
expect_status 1 usher attach --live vm1 "$nic"
expect_text "attach '$edu': "
expect_no_text 'to undo the rest failed'
domain_has vm1 "$disk"
expect_driver "$nic" e1000e
expect_override "$nic" none
expect_driver "$edu" none

# A whole group, which then belongs to vm2 alone.
expect_ok usher attach --json --libvirt here vm2 "$edu"
expect_document
domain_has vm2 "$nic" "$edu"
expect_ok usher attach --live --libvirt qemu+unix:///system vm2 "$nic"
expect_status 3 usher attach --live vm1 "$nic"
expect_text "lent to domain 'vm2' of libvirt"
expect_status 3 usher attach vm2 "$disk"
expect_text "lent to domain 'vm1' of libvirt"

# A guest that does not let it go, and does.
expect_ok usher attach --live vm1 "$card"
expect_driver "$card" vfio-pci
domain_has vm1 "$disk" "$card"
expect_ok usher list
expect_equal 'loans' 2 "$(grep -c "lent to domain 'vm1' of libvirt (process $qemu)" "$work/out")"
expect_ok virsh_ suspend vm1
for n in 1 2; do
	expect_status 1 usher detach --live --timeout 2 --json vm1 "$card"
	expect_text "$card: the guest of domain 'vm1' still has it"
	expect_driver "$card" vfio-pci
done
usher detach --live --timeout 3000 vm1 "$card" 2>"$work/err" &
waits=$!
sleep 2
kill -INT $waits
wait $waits
grep -q 'a signal ended the wait' "$work/err" || fail "a signal does not end the wait: $(cat "$work/err")"
expect_ok virsh_ resume vm1
wait_until 120 card_is_gone
expect_driver "$card" vfio-pci
expect_ok usher detach --live --json vm1 "$card"
expect_document
expect_driver "$card" xhci_hcd
expect_override "$card" none

# The configuration alone: also of a device that is lent now, but of none that never is.
for never in "$(address_of 1b36:000c)" 0000:00:1f.2; do
	expect_status 3 usher attach --config vm1 "$never"
	expect_status 3 usher attach --config --dry-run vm1 "$never"
	expect_status 3 usher xml "$never"
done
expect_text '[platform]'
expect_ok usher guests
expect_no_text 00:1f.2
expect_ok usher attach --config --dry-run vm1 "$nic"
expect_ok usher attach --config --json vm1 "$nic"
expect_document
expect_text '"refused": false'
expect_ok usher guests
expect_text "$disk $nic $edu"
expect_ok usher detach vm1 "$nic"
expect_ok usher guests
expect_no_text "$disk $nic"

# libvirt calls no hook for a device that a person attaches: usher says so afterwards. libvirt returns
# it, also one that usher has attached before.
expect_ok usher xml "$card"
mv "$work/out" "$work/card.xml"
expect_ok virsh_ attach-device vm2 "$work/card.xml" --live
expect_driver "$card" vfio-pci
usher check >"$work/out" 2>"$work/err"
expect_text "domain 'vm2' runs with it, and usher did not lend it"
expect_text 'next time: usher attach'
expect_no_text "domain 'vm1' runs with it"
expect_status 3 usher attach --live vm1 "$card"
expect_status 3 usher release "$card"
expect_ok virsh_ destroy vm2
wait_until 30 has_driver "$card" xhci_hcd
expect_driver "$nic" e1000e

# The hook returns what was attached, too.
expect_ok usher attach --live vm1 "$card"
expect_ok virsh_ destroy vm1
expect_driver "$card" xhci_hcd
expect_equal 'the drivers' "$before" "$(all_drivers)"
expect_equal 'the journal' '' "$(ls /run/usher/journal)"
