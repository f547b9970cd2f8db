#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
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
	guest "$@" --engine=libvirt --name other --memory 128M
}

# begin_guest: in the background, until QEMU runs it. It has no kernel, which QEMU takes seconds to load.
begin_guest() {
	usher run --engine=libvirt --name other --firmware bios --memory 64M --device "$disk" \
		</dev/null >"$work/console" 2>"$work/keeper" &
	keeper=$!
	at_exit "kill -9 $keeper 2>/dev/null"
	# virsh would take the processor from what it waits for.
	wait_until 60 grep -q "state='running'" /run/libvirt/qemu/other.xml
	expect_equal 'the state' running "$(virsh_ domstate other | head -n 1)"
	grep -q "guest 'other' runs: libvirt" "$work/keeper" || fail 'usher does not say that the guest runs'
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

says() { # PATTERN COUNT
	usher console --history other >"$work/history" 2>"$work/err" || return 1
	[ "$(grep -c "$1" "$work/history")" -eq "$2" ]
}

# says_later: a condition for wait_until that leaves the processor to the guest.
says_later() {
	sleep 0.7
	says "$@"
}

# Without libvirt nothing is taken.
expect_status 125 libvirt_guest poweroff --device "$disk"
expect_text "connect to libvirt at 'qemu:///system'"
expect_text 'hint: systemctl start libvirtd'
expect_driver "$disk" nvme

write_settings
install_hook
start_libvirtd

# In the background: what the journal and libvirt say, orders, and a second guest of that name.
export USHER_LIBVIRT_URI=qemu+unix:///system
expect_ok libvirt_guest again --detach --device "$disk"
unset USHER_LIBVIRT_URI
expect_ok usher list
expect_text "lent to VM 'other'"
expect_ok usher ps --json
expect_document
expect_text '"libvirt"'
wait_until 120 says_later 'guest: ready' 1
says "guest: nvme0n1 $before" 1 || fail "$(cat "$work/history")"
expect_status 1 usher stat other
expect_text "engine 'libvirt' cannot do that with a running guest"
expect_ok usher control other pause
expect_equal 'the state' paused "$(virsh_ domstate other | head -n 1)"
expect_ok usher control other resume
expect_equal 'the state' running "$(virsh_ domstate other | head -n 1)"
expect_ok virsh_ dumpxml other
grep -v usher:guest "$work/out" >"$work/copy.xml"
sed -i 's|<name>other|<name>copy|; /<uuid>/d' "$work/copy.xml"
expect_status 1 virsh_ create "$work/copy.xml"
expect_text "lent to VM 'other'"

# The daemon dies. What answers in its place never says a word, and nothing waits for it; the daemon
# comes back, and the guest has run on.
qemu=$(pidof qemu-system-x86_64)
stop_libvirtd KILL
python3 -c 'import os, socket, sys, time
path = "/run/libvirt/libvirt-sock"
os.path.exists(path) and os.unlink(path)
s = socket.socket(socket.AF_UNIX)
s.bind(path)
s.listen(5)
kept = s.accept()
open(sys.argv[1], "w").close()
time.sleep(60)' "$work/asked" &
stuck=$!
wait_until 30 test -e "$work/asked"
expect_status 1 timeout 5 usher control other pause
says 'guest: ready' 1 || fail "the console has ended"
expect_driver "$disk" vfio-pci
kill $stuck
start_libvirtd
wait_until 30 usher control other pause
expect_ok usher control other resume
expect_equal 'the QEMU' "$qemu" "$(pidof qemu-system-x86_64)"
expect_ok usher control other reset
wait_until 120 says_later 'guest: up' 2
expect_ok usher stop --force other
wait_until 30 is_back

# QEMU dies; usher's own process dies; the keeper is asked to end, and dies.
begin_guest
kill -9 "$qemu"
ends_with 1
begin_guest
kill -9 "$runner"
ends_with 137
begin_guest
kill -TERM "$keeper"
ends_with 143
begin_guest
kill -9 "$keeper"
wait "$keeper"
wait_until 30 sh -c '! pidof qemu-system-x86_64'
expect_ok usher restore
wait_until 30 is_back
