#!/bin/sh
# SPDX-License-Identifier: MIT
# A network card is held by what its interface does, not by being there.
# topology: minimal
. "${0%/*}/lib.sh"

card=$(e1000e_address)
set -- "$pci/$card"/net/*
eth=${1##*/}

is() {
	expect_ok usher list -n --json "$card"
	expect_text "\"state\": \"$1\""
	[ -z "${2:-}" ] || expect_text "$2"
}

at_exit "ip addr flush dev $eth; ip link set $eth down"
ip addr flush dev "$eth"
ip link set "$eth" down
# No router advertisement gives it a route that this test did not.
echo 0 >"/proc/sys/net/ipv6/conf/$eth/accept_ra"
is free
ip link set "$eth" up
is free

ip addr add 192.0.2.7/32 dev "$eth"
is busy 'has the address 192.0.2.7/32'
SSH_CONNECTION='192.0.2.9 4000 192.0.2.7 22' is busy 'this SSH session comes in by it'
ip route add default dev "$eth"
at_exit 'ip route del default 2>/dev/null'
is busy 'carries the route to default'
expect_status 3 usher bind --dry-run "$card"
expect_text '[net]'
ip addr flush dev "$eth"
ip route flush dev "$eth"
is free

modprobe -q bridge
if ip link add usher-br type bridge 2>/dev/null; then
	at_exit 'ip link del usher-br 2>/dev/null'
	ip link set "$eth" master usher-br
	is busy 'part of usher-br'
	ip link set usher-br up
	ip addr add 198.51.100.1/24 dev usher-br
	is busy 'carries the route to 198.51.100.0/24 through usher-br'
	ip link del usher-br
	is free
fi
