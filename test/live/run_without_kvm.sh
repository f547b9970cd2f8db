#!/bin/sh
# SPDX-License-Identifier: MIT
# kvm: no
# Without /dev/kvm a run binds nothing.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
[ ! -e /dev/kvm ] || skip 'there is a /dev/kvm'
expect_status 125 guest poweroff --device "$disk"
expect_text 'open /dev/kvm: No such file or directory'
expect_text 'hint: load kvm-amd or kvm-intel'
expect_driver "$disk" nvme
expect_override "$disk" none
