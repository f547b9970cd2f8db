#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: server
# timeout: 240
# Virtual functions are created without a host driver, bound, released and removed. Their number
# cannot change while one of them is bound or open. restore undoes a change that a crash
# interrupted.
. "${0%/*}/lib.sh"

disk=$(nvme_address)
dev=$pci/$disk
[ -e "$dev/sriov_totalvfs" ] || fail "$disk has no SR-IOV"

as_first() {
	expect_equal "the number after $1" 0 "$(cat "$dev/sriov_numvfs")"
	expect_equal "autoprobe after $1" 1 "$(cat "$dev/sriov_drivers_autoprobe")"
	expect_equal "the journal after $1" '' "$(ls /run/usher/vfs)"
	expect_driver "$disk" nvme
}

# --dry-run prints what is then done, and changes nothing.
expect_ok usher vfs "$disk" 2 --dry-run
expect_text "write   $dev/sriov_drivers_autoprobe  0"
expect_text "write   $dev/sriov_numvfs  2"
expect_equal 'the number after a plan' 0 "$(cat "$dev/sriov_numvfs")"
expect_status 3 usher vfs "$disk" 5
expect_text 'can have at most 4 virtual functions'
expect_status 3 usher vfs "$(e1000e_address)" 1
expect_text 'has no virtual functions to offer'

expect_ok usher vfs "$disk" 2
expect_text "$disk: 2 of 4 virtual functions"
first=$(basename "$(readlink "$dev/virtfn0")")
second=$(basename "$(readlink "$dev/virtfn1")")
expect_driver "$first" none
expect_driver "$second" none
expect_ok usher vfs "$disk" 2
expect_equal 'autoprobe' 0 "$(cat "$dev/sriov_drivers_autoprobe")"

# The physical function cannot be bound while they exist.
expect_status 3 usher bind "$disk"
expect_text '2 virtual functions'

expect_ok usher bind "$first" "$second"
expect_driver "$first" vfio-pci
expect_driver "$second" vfio-pci
for n in 0 1 4; do
	expect_status 3 usher vfs "$disk" $n
	expect_text "$first: virtual function of $disk: bound manually"
	expect_text "$second: virtual function of $disk: bound manually"
done
expect_equal 'the number' 2 "$(cat "$dev/sriov_numvfs")"

# A process has one open, which usher did not bind.
expect_ok usher release "$first" "$second"
expect_driver "$first" none
expect_driver "$second" none
to_driver "$first" vfio-pci vfio-pci
sleep 60 <"/dev/vfio/$(group_of "$first")" &
sleeper=$!
at_exit "kill $sleeper 2>/dev/null"
wait_until 10 sh -c "readlink /proc/$sleeper/fd/0 | grep -q vfio"
expect_status 3 usher vfs "$disk" 0
expect_text "$first: virtual function of $disk:"
expect_text "pid $sleeper"
kill $sleeper
wait $sleeper 2>/dev/null
expect_status 3 usher vfs "$disk" 0
expect_text 'is bound to vfio-pci'
expect_ok usher release "$first"

# They were created manually, so only a manual change removes them.
expect_ok usher restore
expect_text 'left alone'
expect_ok usher vfs "$disk" 4 --json
expect_document
expect_equal 'the number' 4 "$(cat "$dev/sriov_numvfs")"
expect_ok usher vfs "$disk" 0
as_first 'the removal'
expect_ok usher vfs "$disk" 1
expect_ok usher restore --all
as_first 'restore --all'

# usher is killed after each change of a creation, and of a removal.
n=0
while :; do
	n=$((n + 1))
	[ $n -lt 9 ] || fail 'making them does not get through'
	USHER_BIND_DIE=$n usher vfs "$disk" 1 >"$work/out" 2>"$work/err" && break
	expect_ok usher restore
	# After the last change nothing is left to undo.
	[ "$(cat "$dev/sriov_numvfs")" = 0 ] || break
	as_first "a death at change $n"
done
[ $n -ge 4 ] || fail "only $n changes: the fault injection does not work"
USHER_BIND_DIE=2 usher vfs "$disk" 0 >"$work/out" 2>"$work/err" && fail 'it did not die'
expect_ok usher restore
expect_equal 'the number after a broken removal' 1 "$(cat "$dev/sriov_numvfs")"
expect_ok usher vfs "$disk" 0
as_first 'all of it'

# A claim makes them at each boot, and leaves the device to its driver. Tests before this one, in the
# same boot, may have left an empty folder of claims.
rm -rf /etc/usher /etc/udev/rules.d/07-usher.rules
expect_status 3 usher claim "$disk" --vfs 5
expect_text 'can have at most 4 virtual functions'
expect_status 3 usher claim "$(e1000e_address)" --vfs 1
expect_text 'has no virtual functions to offer'
expect_status 2 usher claim "$disk" --vfs 2 --driver vfio-pci
expect_status 2 usher claim "$disk" --vfs 0
[ ! -e /etc/usher/claims.d ] || fail 'what was refused has left something behind'
at_exit 'rm -rf /etc/usher /etc/udev/rules.d/07-usher.rules'
expect_ok usher claim "$disk" --vfs 2 --id 1b36:0010
expect_text "$disk: claimed with 2 virtual functions"
[ ! -e /etc/udev/rules.d/07-usher.rules ] || fail 'udev would take the driver of the device away'
expect_equal 'the number after the claim' 0 "$(cat "$dev/sriov_numvfs")"
expect_status 3 usher claim "$disk"
expect_text "$disk: is claimed with 2 virtual functions already"
expect_status 1 usher apply --check
expect_text "$disk: has 0 virtual functions, not 2 as claimed"
expect_ok usher claims
expect_text "at $disk"

# As the unit runs it, before the kernel has bound the device to its driver.
echo "$disk" >"$dev/driver/unbind"
(sleep 2; echo "$disk" >/sys/bus/pci/drivers/nvme/bind) &
expect_ok usher apply --boot
expect_text "$disk: 2 of 4 virtual functions"
wait
for n in 0 1; do
	one=$(basename "$(readlink "$dev/virtfn$n")")
	expect_driver "$one" none
	expect_override "$one" none
done
expect_driver "$disk" nvme
expect_override "$disk" none
expect_ok usher apply --check
expect_text "$disk: has 2 virtual functions, as claimed"
# Once more, and while one of them is lent: nothing changes.
first=$(basename "$(readlink "$dev/virtfn0")")
expect_ok usher bind "$first"
expect_ok usher apply --boot
expect_ok usher apply
expect_driver "$first" vfio-pci
expect_ok usher claim "$disk" --vfs 3
expect_status 3 usher apply
expect_text "$first: virtual function of $disk: bound manually"
expect_ok usher release "$first"
expect_ok usher apply
expect_equal 'the number after another claim' 3 "$(cat "$dev/sriov_numvfs")"

usher check >"$work/out" 2>&1
! grep 'is claimed with 3' "$work/out" || fail 'check reports a claim that is fulfilled'
expect_ok usher unclaim "$disk"
expect_text "usher vfs $disk 0"
expect_equal 'the number after unclaim' 3 "$(cat "$dev/sriov_numvfs")"
expect_ok usher claim "$disk" --vfs 3
expect_ok usher vfs "$disk" 0
usher check >"$work/out" 2>&1
grep -qF "$disk: is claimed with 3 virtual functions but has 0" "$work/out" || fail_with_output 'check'
expect_ok usher unclaim "$disk"
expect_no_text 'usher vfs'

# Without its driver there are none, and the boot goes on.
expect_ok usher claim "$disk" --vfs 1
echo "$disk" >"$dev/driver/unbind"
expect_status 3 usher apply --boot
expect_text "$disk: has no driver"
echo "$disk" >/sys/bus/pci/drivers/nvme/bind
expect_ok usher unclaim "$disk"

# A device that is claimed for VFIO.
expect_ok usher claim "$disk"
expect_status 3 usher claim "$disk" --vfs 2
expect_text "$disk: is claimed for VFIO already"
expect_ok usher unclaim "$disk"
as_first 'the claims'
