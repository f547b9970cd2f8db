#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: moved
# A snapshot of a host with claims whose devices have moved or vanished replays.
. "${0%/*}/lib.sh"
. "${0%/*}/replay.sh"

claims=/etc/usher/claims.d
mkdir -p $claims
at_exit "rm -r $claims"
ids=$(printf 'id 1b36:0010\nsubsystem 1af4:1100')
# A claim of the disk, in another slot; and one of a card that does not exist.
printf 'usher-claim 1\naddress 0000:01:00.0\npath 0000:00/01.0/00.0\n%s\n' "$ids" >$claims/disk.claim
printf 'usher-claim 1\naddress 0000:09:00.0\npath 0000:00/09.0/00.0\nid 10de:2484\nsubsystem 0000:0000\n' \
	>$claims/card.claim
replay_all
usher check --host "$work/exact.host" "$(nvme_address)" >"$work/out" 2>"$work/err"
expect_text "P01 $(nvme_address): was claimed at 0000:01:00.0 but has moved"
expect_text 'H16 card: its claimed device is missing'
usher claims --host "$work/exact.host" >"$work/out" 2>"$work/err"
expect_text "moved: it is now at $(nvme_address)"
