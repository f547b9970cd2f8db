#!/bin/sh
# SPDX-License-Identifier: MIT
# boot: own
# A test can unplug hardware of the host that it runs on.
. "${0%/*}/lib.sh"

nic=$(e1000e_address) || fail 'no network card'
expect_ok qmp query-status
expect_text running
expect_status 1 qmp device_del '{"id": "nothing"}'
expect_text DeviceNotFound
unplug nic "$nic"
expect_ok qmp device_add '{"driver": "e1000e", "id": "nic", "bus": "port2"}'
wait_until 20 test -e "$pci/$nic/driver"
