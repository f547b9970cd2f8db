#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# timeout: 300
# A guest with a balloon: the host has pages back that the guest has freed, without a word, and those
# that a command asks for; the guest has them again when it may, and says how much it has. Without a
# balloon, with lent devices and with more than there is, usher refuses.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

module=$(find "/lib/modules/$(uname -r)" -name 'virtio_balloon.ko' | head -n 1)
[ -n "$module" ] || skip 'this kernel has no module virtio_balloon'

expect_status 2 usher run --plan --kernel "$kernel" --balloon --device "$(nvme_address)"
expect_text 'lent devices have the guest'

guest_script "$module" <<'END'
grep virtio /modules | while read -r module; do insmod "$module" 2>/dev/null; done
insmod /virtio_balloon.ko || echo 'guest: no balloon'
mkdir /filled
mount -t tmpfs -o size=400m fill /filled
echo 'guest: ready'
while read -r word; do
	case $word in
	fill) dd if=/dev/zero of=/filled/file bs=1M count=256 2>/dev/null && echo 'guest: filled' ;;
	free) rm /filled/file && echo 'guest: freed' ;;
	memory) echo "guest: memory $(sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo)" ;;
	off) break ;;
	esac
done
END

# resident: MiB of usher-vmm.
resident() {
	for status_ in /proc/[0-9]*/status; do
		if grep -q '^Name:.usher-vmm$' "$status_" 2>/dev/null; then
			echo $(($(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "$status_") / 1024))
			return
		fi
	done
	echo 0
}

resident_below() {
	[ "$(resident)" -lt "$1" ]
}

memory_is() { # LEAST MOST: MiB that are free, as the guest says
	echo memory >&8
	sleep 1
	told=$(sed -n 's/^guest: memory \([0-9]*\).*/\1/p' "$console" | tail -n 1)
	[ "${told:-0}" -ge $(($1 * 1024)) ] && [ "$told" -le $(($2 * 1024)) ]
}

balloon_holds() { # BYTES
	usher stat ballooned --json >"$work/stat" || return 1
	python3 -c '
import json, sys
def find(told):
    return told["memory"] if "memory" in told else find(told["statistics"])
told = find(json.load(open(sys.argv[1]))).get("balloon", {})
said = told.get("guest", {})
sys.exit(not (told.get("wanted") == told.get("held") == int(sys.argv[2]) <= told.get("returned", 0)
	and 0 < said.get("free", 0) < said.get("total", 0) < 512 << 20))
' "$work/stat" "$1"
}

open_guest --name ballooned --memory 512M --balloon --no-defaults
wait_for_guest '^guest: ready'
echo fill >&8
wait_for_guest '^guest: filled'
full=$(resident)
[ "$full" -ge 256 ] || fail "a guest that has filled 256 MiB has $full MiB"
echo free >&8
wait_for_guest '^guest: freed'
wait_until 60 resident_below $((full - 200)) || fail "it still has $(resident) of $full MiB"
echo "reported: from $full to $(resident) MiB"

expect_ok usher control ballooned balloon 256M
wait_until 100 balloon_holds 268435456 || fail 'the guest does not give it'
wait_until 20 memory_is 20 256 || fail "the guest still has $told KiB"
echo "asked: $(resident) MiB"
expect_status 1 usher control ballooned balloon 1G
expect_text 'and gets no more'
expect_status 1 usher control ballooned balloon 256
expect_text 'no guest runs in 256 bytes'
expect_ok usher control ballooned balloon 512M
wait_until 100 memory_is 300 512 || fail "the guest has only $told KiB"
echo off >&8
wait_for_guest '^usher ended'

open_guest --name plain --memory 256M --no-defaults
wait_for_guest '^guest: ready'
expect_status 1 usher control plain balloon 128M
expect_text "guest 'plain' has no balloon"
echo off >&8
wait_for_guest '^usher ended'
