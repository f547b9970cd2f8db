#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# A listing wakes no device and starts no process. It opens no configuration space, and no attribute
# that the kernel reads from there or shows under a lock that a hanging driver keeps.
. "${0%/*}/lib.sh"

# expect_quiet OPTION…: the same for `usher list OPTION…`.
expect_quiet() {
	expect_ok strace -f -qq -o "$work/trace" -e trace=process,openat,open,pread64 usher list "$@"
	grep -q '/sys/devices/.*/vendor' "$work/trace" || fail "strace saw no device read"
	! grep -E '(clone3?|fork)\(' "$work/trace" || fail "'list $*' starts a process"
	# `usher` is a small program that executes the whole one.
	expect_equal "programs of 'list $*'" 2 "$(grep -c 'execve(.*= 0$' "$work/trace")"
	! grep -E '"[^"]*/(config|rom|(current|max)_link_(speed|width)|(secondary|subordinate)_bus_number)"' \
		"$work/trace" || fail "'list $*' reads configuration space"
	! grep -E '"[^"]*/(driver_override|sriov_numvfs|enable|vpd)"' "$work/trace" ||
		fail "'list $*' waits for a device's lock"
}

expect_quiet
expect_quiet --tree --output \
	address,group,class,device,id,subsystem,revision,driver,numa,reset,sriov,name,above,state,used-by
expect_quiet --json
expect_quiet --svg
expect_quiet --dot

# Proof that the trace would show it: `show` reads what a listing must not.
expect_ok strace -f -qq -o "$work/trace" -e trace=process,openat usher show "$(nvme_address)"
grep -q '/config"' "$work/trace" || fail "strace does not see how 'show' reads configuration space"
