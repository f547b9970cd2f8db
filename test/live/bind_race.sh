#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# Two processes bind one group: one succeeds, the other is refused. A lease has one owner.
. "${0%/*}/lib.sh"

old=$(e1000_address)
edu=$(edu_address)
group=$(group_of "$edu")

for round in 1 2 3 4 5; do
	usher bind "$edu" >"$work/first" 2>&1 &
	first=$!
	usher bind "$old" >"$work/second" 2>&1 &
	second=$!
	wait $first || fail "round $round: the first: $(cat "$work/first")"
	wait $second || fail "round $round: the second: $(cat "$work/second")"
	expect_equal "how many took $old" 1 \
		"$(cat "$work/first" "$work/second" | grep -c "$old: e1000 -> vfio-pci")"
	expect_equal "how many found it" 1 \
		"$(cat "$work/first" "$work/second" | grep -c "$old: is on vfio-pci already")"
	usher release "$edu" >"$work/first" 2>&1 &
	first=$!
	usher bind "$old" >"$work/second" 2>&1
	wait $first || fail "round $round: release: $(cat "$work/first")"
	expect_ok usher restore --all
	expect_driver "$old" e1000
	expect_driver "$edu" none
done

# Another process keeps the lock: usher names it, and waits for a moment only.
mkdir -p /run/usher/lock
exec 8>"/run/usher/lock/$group"
flock 8
echo $$ >&8
expect_status 1 usher bind "$edu"
expect_text "another usher (process $$) works on it"
exec 8>&-
expect_ok usher bind "$edu"
expect_ok usher release "$edu"
