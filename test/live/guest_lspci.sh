#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: cards
# guest: small
# timeout: 600
# The same guest with the same devices under usher and under QEMU: lspci -vvxxxx prints the same,
# but for the differences that docs/pass-lspci.md explains. With USHER_SHOW=1 the test prints all of
# it.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

. "${0%/*}/lspci.sh"

devices=
for id in $all_cards; do devices="$devices $(address_of $id)" || fail "no device $id"; done

lspci_script <<'END'
insmod /lib/modules/e1000e.ko
wait_for /dev/nvme0n1
n=0
until [ $(ls -d /sys/block/sd* | wc -l) = 2 ] || [ $((n += 1)) -gt 300 ]; do sleep 0.1; done
END
# The text console of the emulated host may be on the display.
allow=--allow=gpu
# shellcheck disable=SC2086 # these are several words
compare_lspci $devices
python3 "$top/test/live/lspci.py" --links "$work/usher" || fail 'root ports and their cards differ in their links'
