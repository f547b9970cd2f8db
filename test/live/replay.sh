# SPDX-License-Identifier: MIT
# For the tests snapshot_*.sh: the read verbs print the same on this host and on its snapshot.

# The lab's own ports are nodes of a device. A process that inherits one counts as a user of it:
# usher, with another process id each time.
exec </dev/null 3>&-

# same VERB [WORD…]: its output, live and from the snapshot, is the same, as is its exit status.
same() {
	verb_=$1
	shift
	usher "$verb_" "$@" >"$work/live" 2>&1
	live_=$?
	usher "$verb_" --host "$work/exact.host" "$@" >"$work/replayed" 2>&1
	expect_equal "the status of '$verb_ $*' replayed" $live_ $?
	expect_same "'$verb_ $*' is not the same from a snapshot"
}

# expect_same TEXT: a difference is shown. cmp is quicker to start than diff in the emulation (lab/runner).
expect_same() {
	cmp -s "$work/live" "$work/replayed" || { diff "$work/live" "$work/replayed"; fail "$1"; }
}

# replay_all: takes a snapshot and compares every read verb.
replay_all() {
	expect_ok usher snapshot --exact "$work/exact.host"
	same list -n --json
	same list -n --tree --output +sriov,name,above
	same list
	# shellcheck disable=SC2046 # one word an address
	same show -n --json $(cd "$pci" && echo *)
	same show -n $(cd "$pci" && echo *)
	same show 00:ff.7
	same check --json
	same check
	same claims --json
	for device_ in "$pci"/*; do
		same vfs "${device_##*/}"
		same bind --dry-run "${device_##*/}"
	done
	for topic_ in vfio group iommu binding kvm; do
		usher help $topic_ | sed 's/^On this host/On that host/' >"$work/live"
		usher help --host "$work/exact.host" $topic_ >"$work/replayed"
		expect_same "'help $topic_' is not the same from a snapshot"
	done
}

# redacts TEXT…: a redacted snapshot contains none of them, and still replays.
redacts() {
	expect_ok usher snapshot "$work/shared.host"
	for text_; do
		grep -qF "$text_" "$work/exact.host" || fail "the exact snapshot has no '$text_' to hide"
		! grep -qF "$text_" "$work/shared.host" || fail "the snapshot gives '$text_' away"
	done
	usher list -n --json >"$work/live"
	expect_ok usher list -n --json --host "$work/shared.host"
	diff "$work/live" "$work/out" || fail "a redacted snapshot lists other devices"
}
