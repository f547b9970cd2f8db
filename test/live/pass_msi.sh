#!/bin/sh
# SPDX-License-Identifier: MIT
# boot: own
# timeout: 240
# MSI alone: a USB controller without MSI-X in the network card's slot, with a tablet on it that the
# guest must find.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

nic=$(e1000e_address) || fail 'no network card'
unplug nic "$nic"
expect_ok qmp device_add '{"driver": "nec-usb-xhci", "id": "nic", "bus": "port2", "msi": "on", "msix": "off"}'
wait_until 20 test -e "$pci/$nic"
expect_ok qmp device_add '{"driver": "usb-tablet", "bus": "nic.0"}'

# The modules that the guest needs, in the order in which it loads them.
n=10
mkdir "$work/usb"
modprobe --show-depends xhci-pci | while read -r _ file _; do
	cp "$file" "$work/usb/$n-${file##*/}"
	n=$((n + 1))
done
guest_script "$work"/usb/* <<'END'
for m in /[0-9][0-9]-*; do insmod $m; done
until grep -s Tablet /sys/bus/usb/devices/*/product; do sleep 0.2; done
grep xhci /proc/interrupts
END
open_guest --name msi --device "$nic" --memory 256M
wait_for_guest '^usher ended: 0'
expect_guest 'PCI-MSI-.*xhci' 'the controller has no MSI'
expect_guest 'QEMU USB Tablet' 'the guest has not found the tablet'

# Put the network card back.
unplug nic "$nic"
expect_ok qmp device_add '{"driver": "e1000e", "id": "nic", "bus": "port2"}'
wait_until 20 test -e "$pci/$nic/driver"
