#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# timeout: 420
# The checks and the return of devices, with a stock QEMU as the engine: with a machine of its caller's,
# and with one of usher's, where QEMU has no rights. It obeys usher control, has a TPM and a screen.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
block=$(block_of "$disk")
before=$(disk_checksum "$block")

expect_ok qemu_guest checksum --name other --memory 512M --device "$disk"
expect_text "guest: nvme0n1 $before"
expect_driver "$disk" nvme
expect_override "$disk" none

# QEMU dies with its keeper.
# shellcheck disable=SC2086
usher run --engine=qemu --device "$disk" -- $board </dev/null >/dev/null 2>&1 &
keeper=$!
wait_until 20 pidof qemu-system-x86_64
wait_until 20 has_driver "$disk" vfio-pci
kill -9 $keeper
wait_until 20 sh -c '! pidof qemu-system-x86_64'
expect_ok usher restore
expect_driver "$disk" nvme

# What cannot start is refused before the device is taken.
# shellcheck disable=SC2046
expect_status 125 usher run --engine=qemu --device "$disk" -- $(seq 5000) </dev/null
expect_text 'the program would get more than 4096 words'
expect_no_text vfio-pci
expect_status 125 env QEMU_SYSTEM=no-such-qemu usher run --engine=qemu --device "$disk" -- $board </dev/null
expect_text 'start no-such-qemu: No such file or directory'
expect_no_text vfio-pci

# A QEMU that does not even start costs nothing.
expect_status 1 usher run --engine=qemu --device "$disk" -- -no-such-option
expect_driver "$disk" nvme
expect_override "$disk" none

# A machine of usher's. QEMU is a user of its own, and finds the nodes of its own group alone.
truncate -s 8M "$work/image"
echo before | dd of="$work/image" conv=notrunc 2>/dev/null
chmod 600 "$work/image"
guest_script <<'END'
load_for_devices
wait_for /dev/vda
echo "guest: vda $(head -n 1 /dev/vda)"
echo after >/dev/vda
sync
checksum
echo 'guest: ready'
read -r word
echo "guest: vda has $(cat /sys/block/vda/size) sectors"
poweroff -f
END
open_guest --engine=qemu --name box --net none --memory 256M --disk "$work/image" --device "$disk" \
	--port agent,socket
wait_for_guest 'guest: ready'
expect_guest 'guest: vda before'
expect_guest "guest: nvme0n1 $before"
qemu=$(pidof qemu-system-x86_64)
uid=$(stat -c %u "/proc/$qemu")
[ "$uid" -ge 2020963072 ] || fail "QEMU runs as user $uid"
grep -q '^CapEff:.0*$' "/proc/$qemu/status" || fail 'QEMU has capabilities'
grep -q '^Groups:.*[0-9]' "/proc/$qemu/status" && fail 'QEMU has groups'
expect_equal 'nodes of QEMU' "$(group_of "$disk") vfio" "$(echo $(ls "/proc/$qemu/root/dev/vfio"))"
expect_equal "owner of the host's node" 0 "$(stat -c %u "/dev/vfio/$(group_of "$disk")")"
expect_equal 'owner of the image' "0 600" "$(stat -c '%u %a' "$work/image")"
tr '\0' '\n' <"/proc/$qemu/cmdline" >"$work/words"
[ "$(readlink "/proc/$qemu/ns/net")" != "$(readlink /proc/self/ns/net)" ] || fail "QEMU has the host's network"
grep -qF "$work/image" "$work/words" && fail 'QEMU knows the path of the image'
expect_equal 'system calls of QEMU' 2 "$(sed -n 's/^Seccomp:.//p' "/proc/$qemu/status")"

# It obeys by its monitor.
expect_ok usher control box pause
expect_ok usher ps
expect_text paused
expect_status 1 usher control box pause
expect_text "guest 'box' is paused already"
expect_ok usher control box resume
expect_ok usher control box resize "$work/image" 16M
# Whoever looks sees what was there, and may type.
expect_ok usher console box --history
expect_text 'guest: vda before'
echo on | usher console box >"$work/looked" 2>&1
wait_for_guest 'usher ended'
grep -q 'guest: vda has 32768 sectors' "$work/looked" || fail "looked: $(cat "$work/looked")"
expect_guest 'guest: vda has 32768 sectors'
expect_guest 'usher ended: 0'
expect_equal 'what the guest wrote' after "$(head -n 1 "$work/image")"
expect_driver "$disk" nvme
[ ! -e /run/usher/vm/box ] || fail "left: $(ls /run/usher/vm/box)"

# A TPM, whose state the guest keeps, and a screen at a socket; both end with a QEMU that is killed.
command -v swtpm >/dev/null || skip 'swtpm is not installed'
for start in first second; do
	usher run --engine=qemu --firmware bios --tpm --display vnc --net none --name box --device "$disk" \
		</dev/null >"$work/console" 2>&1 &
	keeper=$!
	wait_until 30 test -S /run/usher/vm/box/display/vnc
	expect_equal 'who reaches the screen' "$(stat -c %u "/proc/$(pidof qemu-system-x86_64)") 700" \
		"$(stat -c '%u %a' /run/usher/vm/box/display)"
	head -c 1M /dev/zero >/run/usher/vm/box/display/more 2>/dev/null && fail 'a QEMU could fill /run'
	python3 - <<-'PY' || fail 'no screen'
		import socket
		with socket.socket(socket.AF_UNIX) as s:
		    s.settimeout(20)
		    s.connect("/run/usher/vm/box/display/vnc")
		    assert s.recv(4) == b"RFB "
	PY
	wait_until 20 test -s /var/lib/usher/guest/box/tpm/tpm2-00.permall
	tpm=$(pidof swtpm)
	expect_equal "owner of the TPM's state" "$(stat -c %u "/proc/$tpm") 600" \
		"$(stat -c '%u %a' /var/lib/usher/guest/box/tpm/tpm2-00.permall)"
	expect_equal 'who enters the folder' '0 700' "$(stat -c '%u %a' /var/lib/usher/guest/box)"
	[ "$(stat -c %u "/proc/$tpm")" -ge 2020963072 ] || fail 'swtpm has rights'
	kill -9 "$(pidof qemu-system-x86_64)"
	wait $keeper
	expect_equal "the keeper's status, at the $start start" 137 $?
	expect_driver "$disk" nvme
	pidof swtpm && fail 'swtpm is left'
	[ ! -e /run/usher/vm/box ] || fail "left: $(ls -R /run/usher/vm/box)"
done
rm -r /var/lib/usher/guest/box

# A TPM needs a firmware that does not lose an ELF kernel's tables.
expect_status 2 usher run --engine=qemu --tpm --kernel "$kernel" --device "$disk"
expect_text 'QEMU starts no ELF kernel beside a TPM'
expect_status 2 usher run --tpm --kernel "$kernel" --device "$disk"
expect_text "--tpm is not for engine 'usher'"
expect_text '--engine=qemu'
