#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: bare
# Report cards of a device with a bus reset only, and of one without any reset.
. "${0%/*}/lib.sh"

edu=$(edu_address)
lone=$(address_of 10ec:8139)
test=$(address_of 1b36:0005)

expect_ok usher prove "$edu"
cat "$work/out"
expect_text 'reset bus'
expect_text 'verdict: it survives'
expect_driver "$edu" none

before=$(driver_of "$lone")
expect_status 1 usher prove "$lone"
cat "$work/out"
grep -q '^  hot reset *failed' "$work/out" || fail_with_output 'it was reset'
expect_text 'verdict: it does not survive'
grep -q '^  give back *passed' "$work/out" || fail_with_output 'it was not given back'
expect_driver "$lone" "$before"
expect_override "$lone" none

expect_status 1 usher prove --json "$test"
expect_text '"step": "interrupts"'
expect_text '"result": "skipped"'
expect_driver "$test" none
expect_equal 'the journal' '' "$(ls /run/usher/journal 2>/dev/null)"
