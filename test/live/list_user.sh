#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# An ordinary user sees all devices, and a note about what needs root.
. "${0%/*}/lib.sh"

for_anyone src/cli/usher src/cli/usher-whole
nobody="setpriv --reuid 65534 --regid 65534 --clear-groups $work/build/src/cli/usher"
disk=$(nvme_address)

# shellcheck disable=SC2086 # they are words
expect_ok $nobody list -l -n -o address
expect_text 'some processes could not be inspected'
expect_equal 'devices seen' "$(ls "$pci" | grep -c :)" "$(grep -c '^[0-9a-f]*:' "$work/out")"
# shellcheck disable=SC2086
expect_ok $nobody show -n "$disk"
expect_text "$disk"
expect_text 'only root can read them'
expect_ok usher show -n "$disk"
expect_no_text 'only root can read them'

# What changes a device needs root, and says so. Without seeing all users, nobody may take it.
for words in "bind $disk" "release $disk" "vfs $disk 0" "revive $disk" "rom $disk"; do
	# shellcheck disable=SC2086
	expect_status 1 $nobody $words
	expect_text 'as root'
done
for words in "claim $disk" "prove $disk"; do
	# shellcheck disable=SC2086
	expect_status 3 $nobody $words
	expect_text 'hint: run as root'
	expect_no_text 'stop its users first'
done
# shellcheck disable=SC2086
expect_status 125 $nobody exec --device "$disk" -- true
expect_text 'sudo usher exec'
