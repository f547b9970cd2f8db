#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# timeout: 200
# Report cards of devices that can be reset. Nothing is left changed, even if usher is killed.
. "${0%/*}/lib.sh"

disk=$(nvme_address)
card=$(e1000e_address)
edu=$(edu_address)

# killed_in_reset: `usher prove` dies as it enters the disk's first reset, with that one method
# chosen. A trace of an undisturbed run shows which ioctl it is.
killed_in_reset() {
	strace -qq -o "$work/trace" -e trace=ioctl usher prove "$disk" >"$work/out" 2>"$work/err"
	[ $? -le 1 ] || fail_with_output 'the trial did not run' # 1: see proves
	reset_=$(grep ioctl "$work/trace" | grep -n -m 1 'VFIO_DEVICE_RESET\|0x3b, 0x6f, 0' | cut -d: -f1)
	[ -n "$reset_" ] || fail "no reset among: $(cat "$work/trace")"
	strace -qq -o /dev/null -e trace=ioctl -e "inject=ioctl:signal=SIGKILL:when=$reset_" \
		usher prove "$disk" >"$work/out" 2>&1
	expect_equal 'the status of a killed prover' 137 $?
	expect_driver "$disk" vfio-pci
	expect_equal 'the method that it tried' flr "$(cat "$pci/$disk/reset_method")"
}

# proves ADDRESS [OPTION…]: each step passes but for a bus reset of an emulated PCI Express endpoint.
# Its link reports no activity, so the kernel resets it, gives up waiting, and returns ENOTTY. That is
# a reset that failed, and never one that was skipped.
proves() {
	usher prove "$@" >"$work/out" 2>"$work/err"
	proved_=$?
	cat "$work/out"
	! grep -q 'reset bus  *skipped' "$work/out" || fail_with_output 'a bus reset was skipped'
	[ $proved_ -ne 0 ] || return 0
	expect_equal "the status of a trial of $1" 1 $proved_
	expect_text 'the kernel performed it, and gave up waiting for the device'
	expect_equal 'the steps that failed' 1 "$(grep -c '  failed  \|"result": "failed"' "$work/out")"
	expect_text 'usable with care'
}

# as_found ADDRESS DRIVER METHODS
as_found() {
	expect_driver "$1" "$2"
	expect_override "$1" none
	expect_equal "$1's reset_method" "$3" "$(cat "$pci/$1/reset_method" 2>/dev/null)"
	expect_equal 'the journal' '' "$(ls /run/usher/journal 2>/dev/null)"
}

methods=$(cat "$pci/$disk/reset_method")
expect_equal 'what resets the disk' 'flr bus' "$methods"
proves "$disk" --snapshot "$work/card.host"
for step in gate bind open 'config space' BARs 'reset flr' MSI-X INTx 'give back'; do
	grep -q "^  $step  *passed" "$work/out" || fail_with_output "no step '$step'"
done
grep -q '^  reset bus  *\(passed\|failed\)' "$work/out" || fail_with_output 'no bus reset was tried'
as_found "$disk" nvme "$methods"
block_of "$disk" >/dev/null || fail "the disk did not come back"
expect_ok usher list --host "$work/card.host" "$disk"
grep -q '^# .*reset flr *passed' "$work/card.host" || fail "the card is not in the snapshot"
! grep -q lab-disk "$work/card.host" || fail "the snapshot has the disk's serial number"

methods=$(cat "$pci/$card/reset_method")
proves "$card" --json
expect_text '"step": "reset pm"'
expect_text '"step": "MSI"'
expect_document
as_found "$card" e1000e "$methods"

# Two old cards behind one bridge are in one group, so a reset of their bus is possible.
old=$(cat "$pci/$(e1000_address)/reset_method" 2>/dev/null)
expect_ok usher prove "$edu"
cat "$work/out"
grep -q '^  hot reset *passed' "$work/out" || fail_with_output 'no hot reset'
as_found "$edu" none ''
as_found "$(e1000_address)" e1000 "$old"

# A device in use is not touched.
block=$(block_of "$disk")
sleep 1000 <"/dev/$block" &
sleeper=$!
at_exit "kill $sleeper 2>/dev/null"
expect_status 3 usher prove "$disk"
expect_text "$block"
expect_text 'never touches a device that is in use'
expect_driver "$disk" nvme
kill $sleeper
wait $sleeper
expect_ok usher prove --dry-run "$disk"
expect_driver "$disk" nvme
expect_status 2 usher prove
expect_status 1 usher prove 00:1e.7

# Killed between two resets, when driver, override and reset methods are changed.
methods=$(cat "$pci/$disk/reset_method")
killed_in_reset
expect_ok usher restore
as_found "$disk" nvme "$methods"

# A group bound manually stays bound; the reset methods are restored.
expect_ok usher bind "$disk"
killed_in_reset
expect_ok usher restore
expect_driver "$disk" vfio-pci
expect_equal 'its reset_method' "$methods" "$(cat "$pci/$disk/reset_method")"
proves "$disk"
expect_driver "$disk" vfio-pci
expect_ok usher release "$disk"
as_found "$disk" nvme "$methods"
