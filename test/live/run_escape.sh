#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# timeout: 300
# refused: calls
# A guest has taken over usher-vmm: code that is planted into each kind of its threads gets at no file,
# socket, process, device or namespace of the host. The same code gets at all of them without the
# walls. A refused call ends the guest, and the keeper names it.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
card=$(e1000e_address)
dd if=/dev/zero of="$work/image" bs=1M count=1 2>/dev/null
to_vfio "$card"
at_exit 'rm -f /tmp/escaped; while umount /mnt 2>/dev/null; do :; done'
# The worker of the disk reads its configuration space.
guest_script <<'END'
disk=$(dirname "$(grep -l 0x010802 /sys/bus/pci/devices/*/class)")
echo 'guest: ready'
while :; do cat "$disk/config" >/dev/null; done
END

# escape KIND [KILL]: what code in a thread of that kind gets.
escape() {
	sleep 600 </dev/null &
	victim=$!
	timeout 60 "$top/build/test/live/escape" "$vmm" "$1" "$victim" \
		"/dev/vfio/$(group_of "$card")" ${2:-} >"$work/escape" 2>&1 || {
		cat "$work/escape"
		fail "no code in a $1 thread"
	}
	kill "$victim"
	echo "$1: $(grep -c ': refused' "$work/escape") refused," \
		"$(grep ': failed' "$work/escape" | sed "s/^$1 //" | tr '\n' ';')"
}

kinds='main starter vcpu worker outbox disk'

start_guest script --device "$disk" --disk "$work/image"
vmm=$(vmm_pid)
for kind in $kinds; do
	escape "$kind"
	! grep ': got' "$work/escape" || fail "a $kind thread got out"
	[ "$(grep -c ': refused' "$work/escape")" -ge 20 ] || fail "the filter of a $kind thread refuses little"
done
# It runs on, and nothing of the attempts is left.
kill -0 "$vmm" || fail 'the guest has ended'
usher stat guest >"$work/stat" || fail 'usher-vmm does not answer'
for wall in processes network ipc names files user capabilities trace rights calls; do
	grep -qx "walls.$wall  *1" "$work/stat" || fail "the wall '$wall' does not stand: $(cat "$work/stat")"
done

# What no tracer takes back.
escape vcpu kill
status=0
wait "$keeper" || status=$?
expect_equal 'the status of a guest that made a refused call' 159 "$status"
grep -q "^usher: a vcpu thread of usher-vmm made system call 'openat' (second argument 0x" "$work/keeper" ||
	fail 'the keeper does not name the call'
expect_driver "$disk" nvme

start_guest script --device "$disk" --disk "$work/image" --no-sandbox
vmm=$(vmm_pid)
for kind in main vcpu worker outbox disk; do
	escape "$kind"
	! grep -v ': got' "$work/escape" || fail "a $kind thread without walls does not get all"
done
usher stat guest >"$work/stat"
grep -qx 'walls.calls  *0' "$work/stat" || fail 'walls stand in spite of --no-sandbox'
kill "$keeper"
wait "$keeper"
expect_driver "$disk" nvme
