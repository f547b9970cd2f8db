#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# timeout: 300
# usher is killed after each change of a bind and of a release. restore brings every device of the
# group back to its first driver and override.
. "${0%/*}/lib.sh"

old=$(e1000_address)
edu=$(edu_address)
echo nobody >"$pci/$edu/driver_override"
at_exit "echo >$pci/$edu/driver_override"

as_first() {
	expect_driver "$old" e1000
	expect_override "$old" none
	expect_driver "$edu" none
	expect_override "$edu" nobody
	expect_equal "the journal after $1" '' "$(ls /run/usher/journal)"
	expect_equal "the rules of udev after $1" '' "$(ls /run/udev/rules.d 2>/dev/null)"
}

# Runs usher "$@" so that it dies after change N, for N = 1, 2, … until it gets through. After each
# death, 'again' must succeed.
deaths=0
rules=0 # that a death left
die_in() {
	n=0
	while :; do
		n=$((n + 1))
		[ $n -lt 30 ] || fail "'$*' does not get through"
		prepare
		USHER_BIND_DIE=$n usher "$@" >"$work/out" 2>"$work/err"
		status=$?
		[ $status -ne 0 ] || break
		expect_equal "the end of '$*' after change $n" 137 $status
		deaths=$((deaths + 1))
		[ -z "$(ls /run/udev/rules.d 2>/dev/null)" ] || rules=$((rules + 1))
		again "change $n of '$*'"
	done
	expect_ok usher restore --all
	as_first "'$*'"
}

prepare() { :; }
again() {
	expect_ok usher restore --all
	as_first "$1"
}
die_in bind "$edu"

prepare() { expect_ok usher bind "$edu"; }
die_in release "$edu"

# While a user has the nodes, a udev rule exists for them. usher takes the daemon as running if its
# socket exists.
[ -e /run/udev/control ] || {
	mkdir -p /run/udev
	: >/run/udev/control
	at_exit 'rm -f /run/udev/control'
}
prepare() { :; }
die_in bind "$old" "$edu" --user 65534
prepare() { expect_ok usher bind "$old" "$edu" --user 65534; }
die_in release "$edu"
[ $rules -gt 0 ] || fail 'no death came upon a rule of udev'

# Without a restore, the next bind takes over what is left.
prepare() { :; }
again() {
	expect_ok usher bind "$edu"
	expect_driver "$old" vfio-pci
	expect_driver "$edu" vfio-pci
	expect_ok usher release "$edu"
	as_first "$1"
}
die_in bind "$edu"

# restore may die as well.
prepare() {
	USHER_BIND_DIE=6 usher bind "$edu" >/dev/null 2>&1
}
again() {
	expect_ok usher restore --all
	as_first "$1"
}
die_in restore --all

[ $deaths -ge 24 ] || fail "only $deaths deaths: the fault injection does not work"
