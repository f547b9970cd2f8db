#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# timeout: 600
# libvirt as the engine: the same description gives the same guest, whatever of the chain dies.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"
. "${0%/*}/virt.sh"

command -v libvirtd >/dev/null || skip 'libvirtd is not installed'
disk=$(nvme_address)
block=$(block_of "$disk")
before=$(disk_checksum "$block")
drivers=$(all_drivers)

is_back() {
	[ "$drivers" = "$(all_drivers)" ] && [ -z "$(find /run/usher/journal /run/usher/vm -mindepth 1 2>/dev/null)" ]
}

libvirt_guest() { # WISH [OPTION…]
	guest "$@" --engine=libvirt --name other --memory 256M
}

# start_libvirt_guest [OPTION…]: in the background, until it is ready.
start_libvirt_guest() {
	start_guest first --engine=libvirt --name other --memory 256M --device "$disk" "$@"
	expect_driver "$disk" vfio-pci
	qemu=$(pidof qemu-system-x86_64)
	runner=$(pidof usher-libvirt)
}

ends_with() { # STATUS
	wait "$keeper"
	expect_equal 'the exit status' "$1" $?
	wait_until 30 is_back
	expect_equal 'the domains' '' "$(virsh_ list --all --name)"
}

# Without libvirt nothing is taken.
expect_status 125 libvirt_guest poweroff --device "$disk"
expect_text "connect to libvirt at 'qemu:///system'"
expect_driver "$disk" nvme

write_settings
install_hook
start_libvirtd
expect_ok libvirt_guest checksum --device "$disk"
expect_text "guest: nvme0n1 $before"
expect_text "guest 'other' runs: libvirt"
is_back || { find /run/usher; fail "not all is back"; }
expect_ok guest checksum --name other --memory 256M --device "$disk"
expect_text "guest: nvme0n1 $before"
expect_ok qemu_guest checksum --name other --memory 256M --device "$disk"
expect_text "guest: nvme0n1 $before"

# What the journal and libvirt say meanwhile; orders; and a second guest of that name.
start_libvirt_guest
expect_ok usher list
expect_text "lent to VM 'other'"
expect_ok usher ps --json
expect_document
expect_text '"libvirt"'
expect_ok usher control other pause
expect_equal 'the state' paused "$(virsh_ domstate other | head -n 1)"
expect_ok usher control other resume
expect_equal 'the state' running "$(virsh_ domstate other | head -n 1)"
expect_ok virsh_ dumpxml other
grep -v usher:guest "$work/out" >"$work/copy.xml"
sed -i 's|<name>other|<name>copy|; /<uuid>/d' "$work/copy.xml"
expect_status 1 virsh_ create "$work/copy.xml"
expect_text "lent to VM 'other'"
expect_ok usher stop --force other
ends_with 143

# The daemon dies and comes back: the guest runs on.
start_libvirt_guest
stop_libvirtd KILL
sleep 1
expect_driver "$disk" vfio-pci
expect_equal 'the QEMU' "$qemu" "$(pidof qemu-system-x86_64)"
start_libvirtd
wait_until 30 grep -q "libvirt's daemon is back" "$work/keeper"
expect_ok virsh_ domstate other
kill -TERM "$keeper"
ends_with 143

# QEMU dies; usher's own process dies; the keeper dies.
start_libvirt_guest
kill -9 "$qemu"
ends_with 1
start_libvirt_guest
kill -9 "$runner"
ends_with 137
start_libvirt_guest
kill -9 "$keeper"
wait "$keeper"
wait_until 30 sh -c '! pidof qemu-system-x86_64'
expect_ok usher restore
wait_until 30 is_back
