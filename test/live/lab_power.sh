#!/bin/sh
# SPDX-License-Identifier: MIT
# boots: 2
# The power fails in the middle; files synced to /persist are there afterwards.
. "${0%/*}/lib.sh"

if [ "$USHER_LAB_BOOT" = 1 ]; then
	expect_equal '/persist at first' lost+found "$(ls /persist)"
	echo kept >/persist/file
	sync
	power_off
	fail 'still here'
fi
expect_equal '/persist afterwards' kept "$(cat /persist/file)"
