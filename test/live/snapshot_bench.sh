#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: bench
# timeout: 240
# A snapshot of a machine with many equal disks, of which only the first has a medium, replays.
. "${0%/*}/lib.sh"
. "${0%/*}/replay.sh"

replay_all
expect_equal 'disks in the snapshot' 16 "$(usher list -n -l -o address --class nvm --host "$work/exact.host" | grep -c :)"
