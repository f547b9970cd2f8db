# SPDX-License-Identifier: MIT
# For tests outside of the emulated host. Sourced.

# fail MESSAGE…: ends the test. Prints the message, and the files named in $shown.
fail() {
	echo "FAILED: $*"
	# shellcheck disable=SC2086 # they are words
	[ -z "${shown:-}" ] || cat $shown
	exit 1
}
