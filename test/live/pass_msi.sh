#!/bin/sh
# SPDX-License-Identifier: MIT
# boot: own
# timeout: 240
# MSI alone: a USB controller without MSI-X, plugged in where the network card was, with a tablet
# on it that the guest has to find.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

nic=$(e1000e_address) || fail 'no network card'
unplug nic "$nic"
expect_ok qmp device_add '{"driver": "nec-usb-xhci", "id": "nic", "bus": "port2", "msi": "on", "msix": "off"}'
wait_until 20 test -e "$pci/$nic"
expect_ok qmp device_add '{"driver": "usb-tablet", "bus": "nic.0"}'

# The guest's modules for it, as a second archive behind its initramfs.
mkdir -p "$work/extra/usb"
n=10
modprobe --show-depends xhci-pci | while read -r _ file _; do
	cp "$file" "$work/extra/usb/$n-${file##*/}"
	n=$((n + 1))
done
(cd "$work/extra" && find . | cpio -o -H newc 2>/dev/null) >"$work/extra.cpio"
cat "$initrd" "$work/extra.cpio" >"$work/initrd"

out=$work/console # fail shows its end
mkfifo "$work/to_guest"
{
	usher run --name msi --device "$nic" --memory 256M --kernel "$kernel" \
		--initrd "$work/initrd" --cmdline 'console=ttyS0 quiet usher.do=shell' <"$work/to_guest"
	echo "usher ended: $?"
} >"$out" 2>&1 &
exec 8>"$work/to_guest"
wait_until 120 grep -q 'guest: ready' "$out"
{
	echo 'for m in /usb/*; do insmod $m; done; sleep 5; busybox grep xhci /proc/interrupts'
	echo 'cat /sys/bus/usb/devices/*/product; exit'
} >&8
wait_until 120 grep -q 'usher ended' "$out"
cat "$out"
grep -q 'PCI-MSI-.*xhci' "$out" || fail 'the controller has no MSI'
grep -q 'QEMU USB Tablet' "$out" || fail 'the guest has not found the tablet'
grep -q 'usher ended: 0' "$out" || fail 'usher run failed'

# The network card again, as the test found it.
unplug nic "$nic"
expect_ok qmp device_add '{"driver": "e1000e", "id": "nic", "bus": "port2"}'
wait_until 20 test -e "$pci/$nic/driver"
