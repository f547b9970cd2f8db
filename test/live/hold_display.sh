#!/bin/sh
# SPDX-License-Identifier: MIT
# A display of class 0380 has no boot_vga, and may have the host's only text console all the same. And
# a device that does not answer is no device to lend.
# topology: cards
. "${0%/*}/lib.sh"

display=$(address_of 1234:1111)
[ ! -e "$pci/$display/boot_vga" ] || skip 'the display has a boot_vga'
expect_ok usher bind --dry-run --allow=gpu "$display"
modprobe -q bochs || modprobe -q bochs-drm || skip 'no driver for the display'
on_framebuffer() {
	for console_ in /sys/class/vtconsole/vtcon*; do
		! grep -q 'frame buffer' "$console_/name" || [ "$(cat "$console_/bind")" != 1 ] || return 0
	done
	return 1
}
if [ -e /sys/class/graphics/fb0 ] && on_framebuffer; then
	expect_status 3 usher bind --dry-run "$display"
	expect_text '[gpu]'
	expect_text 'the text console is on it'
	expect_ok usher list -n --json "$display"
	expect_text '"state": "busy"'
	expect_ok usher bind --dry-run --allow=gpu "$display"
	for console_ in /sys/class/vtconsole/vtcon*; do
		grep -q 'frame buffer' "$console_/name" || continue
		echo 0 >"$console_/bind"
		at_exit "echo 1 >$console_/bind"
	done
	expect_ok usher bind --dry-run "$display"
fi

# The port above sends its configuration elsewhere: what is behind reads as all ones.
edu=$(edu_address)
port=$(basename "$(dirname "$(readlink -f "$pci/$edu")")")
expect_ok usher bind --dry-run "$edu"
buses=$(setpci -s "$port" PRIMARY_BUS.L) || skip 'no setpci'
at_exit "setpci -s $port PRIMARY_BUS.L=$buses"
setpci -s "$port" SECONDARY_BUS=fe SUBORDINATE_BUS=fe
expect_status 3 usher bind --dry-run "$edu"
expect_text '[dead]'
expect_status 3 usher bind --dry-run --allow=dead "$edu"
expect_ok usher show -n "$edu"
expect_text 'dead, it does not answer'
expect_status 3 usher check "$edu"
expect_text 'does not respond'
setpci -s "$port" PRIMARY_BUS.L="$buses"
expect_ok usher bind --dry-run "$edu"
