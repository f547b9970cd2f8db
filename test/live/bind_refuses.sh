#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# usher refuses what would harm the host, gives every reason, and changes nothing.
. "${0%/*}/lib.sh"

disk=$(nvme_address)
card=$(e1000e_address)
old=$(e1000_address)
edu=$(edu_address)
before=$(all_drivers)

# Since the boot, which other tests share.
refusals() { usher metrics | sed -n 's/^usher_refusals_total //p'; }
refused=$(refusals)

expect_status 3 usher bind "$card" --id 8086:100e
expect_text "$card: expected 8086:100e, found 8086:10d3 [id]"
expect_status 1 usher bind 0000:ff:00.0
expect_text 'there is no such PCI device'
expect_status 3 usher bind 0000:00:1f.2 --allow platform
expect_text '0000:00:1f.0: is the ISA bridge'
expect_text '0000:00:1f.3: is the SMBus controller'
expect_status 3 usher bind 0000:00:01.0
expect_text 'is a PCI bridge'
expect_equal 'the count of refusals' $((refused + 3)) "$(refusals)"

# A mounted file system.
block=$(block_of "$disk")
mkfs.ext4 -q "/dev/$block"
mount "/dev/$block" "$work"
at_exit "umount $work"
expect_status 3 usher bind "$disk"
expect_text "mounted at $work [block]"

# An address with its route, on a sibling that the command line does not name.
interface=$(ls "$pci/$old/net")
ip link set "$interface" up
ip addr add 198.51.100.1/24 dev "$interface"
at_exit "ip addr flush dev $interface; ip link set $interface down"
expect_status 3 usher bind "$edu" --json
expect_document
expect_text '"check": "net"'
expect_text '"refuses": true'
expect_status 3 usher bind "$edu" "$disk" "$card" --id 1234:11e8 --id 1b36:0010 --id 0000:0000
expect_text '[net]'
expect_text '[block]'
expect_text '[id]'

expect_equal 'the drivers' "$before" "$(all_drivers)"
expect_equal 'the journal' '' "$(ls /run/usher/journal 2>/dev/null)"

# The command line.
expect_status 2 usher bind
expect_status 1 usher bind nonsense
expect_status 2 usher bind 1:2:3
expect_status 2 usher bind "$card" --id 8086
expect_status 2 usher bind "$card" --id 8086:10d3 --id 8086:10d3
expect_status 2 usher bind "$card" --user nobody-of-that-name
expect_status 2 usher bind "$card" --user-group nobodies-of-that-name
expect_status 2 usher release "$card" --return elsewhere

# A check that does not exist.
expect_status 2 usher bind "$disk" --allow blok
expect_text "there is no check 'blok'"

# The user would gain access to the whole group.
expect_status 3 usher bind "$edu" --user 1000 --allow net
expect_text "$old: the user would gain access to it"

# A driver that does not exist, and drivers that are not VFIO's.
expect_status 1 usher bind "$card" --driver none_such_vfio_pci
expect_text 'Module none_such_vfio_pci not found'
for driver in pci-stub e1000e nvme; do
	expect_status 1 usher bind "$card" --driver $driver
	expect_text "driver '$driver' is not a VFIO driver"
done
expect_driver "$card" e1000e
expect_override "$card" none

# --allow is the decision of an administrator.
expect_ok usher bind "$edu" --allow net
expect_driver "$old" vfio-pci
expect_ok usher release "$edu"
expect_driver "$old" e1000
