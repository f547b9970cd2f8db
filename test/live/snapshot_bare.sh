#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: bare
# A snapshot of a host with devices on the root bus that have no reset.
. "${0%/*}/lib.sh"
. "${0%/*}/replay.sh"

replay_all
expect_ok usher show -n --host "$work/exact.host" "$(address_of 10ec:8139)"
expect_text 'none: it is on a root bus, which cannot be reset'
