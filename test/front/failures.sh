#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The end of './dev test' names each failed test with the reason.
set -eu

top=$(cd "${0%/*}/../.." && pwd)
# shellcheck disable=SC1090 # two functions of ./dev alone: the rest would run a verb
. <(sed -n '/^count_results() {/,/^}/p; /^end_tests() {/,/^}/p' "$top/dev")

# tells TEXT: ./dev's end after the results of the standard input.
tells() {
	passed=0 failed=0 skipped=0 selected=0 failures=()
	count_results >/dev/null
	out=$(end_tests) && status=0 || status=$?
	[ "$status:$out" = "$1" ] || { printf 'FAILED: instead of\n%s\n./dev says\n%s\n' "$1" "$status:$out"; exit 1; }
}

tells '0:1 passed, 0 failed, 1 skipped' <<'END'
ok live/first
  failed: not a word of a failure
skip live/second: no such device
END
tells '1:failed: live/first: FAILED: the disk is gone
failed: live/mute
failed: unit/last: status 3
1 passed, 3 failed, 0 skipped' <<'END'
not ok live/first (3.0 s)
  a line
  FAILED: the disk is gone
   
  exit status 1
ok live/between
  nothing of a failure
not ok live/mute
not ok unit/last
  status 3
END
