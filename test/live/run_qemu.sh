#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# timeout: 240
# The checks and the return of devices, with a stock QEMU as the engine.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
block=$(block_of "$disk")
before=$(disk_checksum "$block")

expect_ok qemu_guest checksum --name other --memory 512M --device "$disk"
expect_text "guest: nvme0n1 $before"
expect_driver "$disk" nvme
expect_override "$disk" none

# QEMU dies with its keeper.
# shellcheck disable=SC2086
usher run --engine=qemu --device "$disk" -- $board </dev/null >/dev/null 2>&1 &
keeper=$!
wait_until 20 pidof qemu-system-x86_64
wait_until 20 has_driver "$disk" vfio-pci
kill -9 $keeper
wait_until 20 sh -c '! pidof qemu-system-x86_64'
expect_ok usher restore
expect_driver "$disk" nvme

# What cannot start is refused before the device is taken.
# shellcheck disable=SC2046
expect_status 125 usher run --engine=qemu --device "$disk" -- $(seq 5000) </dev/null
expect_text 'the program would get more than 4096 words'
expect_no_text vfio-pci
expect_status 125 env QEMU_SYSTEM=no-such-qemu usher run --engine=qemu --device "$disk" -- $board </dev/null
expect_text 'start no-such-qemu: No such file or directory'
expect_no_text vfio-pci

# A QEMU that does not even start costs nothing.
expect_status 1 usher run --engine=qemu --device "$disk" -- -no-such-option
expect_driver "$disk" nvme
expect_override "$disk" none
