#!/bin/sh
# SPDX-License-Identifier: MIT
# A network card is in use by what its interface does, not because the interface exists.
# topology: minimal
# timeout: 400
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
# No router advertisement may add a route, to this interface or to one that it becomes a part of.
at_exit "echo 1 >/proc/sys/net/ipv6/conf/$eth/accept_ra; echo 1 >/proc/sys/net/ipv6/conf/default/accept_ra"
echo 0 >"/proc/sys/net/ipv6/conf/$eth/accept_ra"
echo 0 >/proc/sys/net/ipv6/conf/default/accept_ra
is free
ip link set "$eth" up
is free

ip addr add 192.0.2.7/32 dev "$eth"
is busy 'has the address 192.0.2.7/32'
SSH_CONNECTION='192.0.2.9 4000 192.0.2.7 22' is busy 'this SSH session comes in by it'
ip route add default dev "$eth"
at_exit 'ip route del default 2>/dev/null'
is busy 'carries the default route'
expect_status 3 usher bind "$card"
expect_text '[net]'
expect_text 'carries the default route'
expect_driver "$card" e1000e
ip addr flush dev "$eth"
ip route flush dev "$eth"
is free

# held_through LOWER UPPER NETWORK: the card is part of LOWER; UPPER is LOWER or above it.
held_through() {
	is busy "part of $1"
	ip link set "$1" up || fail "$1 does not come up"
	ip link set "$2" up || fail "$2 does not come up"
	ip addr add "$3.1/24" dev "$2" || fail "no address for $2"
	is busy "carries the route to $3.0/24 through $2"
}

# part NAME TYPE…: creates an interface that the card is to become a part of.
part() {
	at_exit "ip link del $1 2>/dev/null"
	ip link add "$@" || fail "no $1"
}

# A port of a bridge; of a bond with a VLAN on top; and a VLAN on the card itself.
modprobe -qa bridge bonding 8021q
part usher-br type bridge
ip link set "$eth" master usher-br || fail 'no port of a bridge'
held_through usher-br usher-br 198.51.100
ip link del usher-br
is free

part usher-bond type bond
ip link set "$eth" down
ip link set "$eth" master usher-bond || fail 'no port of a bond'
part usher-vlan link usher-bond type vlan id 7
held_through usher-bond usher-vlan 203.0.113
ip link del usher-vlan
ip link del usher-bond
ip link set "$eth" up
is free

part usher-vlan link "$eth" type vlan id 8
held_through usher-vlan usher-vlan 203.0.113
ip link del usher-vlan
is free

# held TEXT: a plan refuses, and says so; also from a snapshot.
held() {
	expect_status 3 usher bind --dry-run "$card"
	expect_text '[net]'
	expect_text "$1"
	expect_ok usher snapshot --exact "$work/held.host"
	expect_status 3 usher bind --dry-run --host "$work/held.host" "$card"
	expect_text "$1"
}

# used KIND: a process uses the interface without an address, until let_go.
used() {
	: >"$work/used"
	python3 "$top/test/live/hold_net.py" "$1" "$eth" >"$work/used" 2>&1 &
	user=$!
	at_exit "kill $user 2>/dev/null"
	wait_until 30 grep -q held "$work/used"
}
let_go() {
	kill $user
	wait $user 2>/dev/null
}

# Uses that need no address: by frames, by programs, by rules.
modprobe -qa pppoe af_packet sch_ingress cls_matchall cls_u32 act_mirred dummy
used packet
held "a packet socket is bound to it: python3 (pid $user, root)"
is busy 'a packet socket is bound to it: a process of uid 0'
let_go
is free
used pppoe
held 'carries a PPPoE session (0x1234 with 52:54:00:01:02:03)'
is busy 'carries a PPPoE session'
let_go
is free
used xdp
held 'runs XDP (program '
let_go
expect_ok usher bind --dry-run "$card"

part usher-dummy type dummy
ip link set usher-dummy up
tc qdisc add dev "$eth" ingress || fail 'no ingress'
expect_ok usher bind --dry-run "$card"
tc filter add dev "$eth" parent ffff: protocol all matchall action mirred egress redirect dev usher-dummy ||
	fail 'no filter'
held 'has filters of tc (matchall)'
tc qdisc del dev "$eth" ingress
expect_ok usher bind --dry-run "$card"
tc qdisc add dev usher-dummy clsact
tc filter add dev usher-dummy egress protocol all matchall action mirred egress mirror dev "$eth" ||
	fail 'no mirror'
held 'gets packets that tc redirects'
ip link del usher-dummy
expect_ok usher bind --dry-run "$card"

ip route add 198.18.0.0/15 dev "$eth" table 77 || fail 'no route'
held 'carries the route to 198.18.0.0/15 in table 77'
ip route flush table 77
ip rule add iif "$eth" table 77
at_exit "ip rule del iif $eth table 77 2>/dev/null"
held 'is named in a routing rule (priority '
ip rule del iif "$eth" table 77
expect_ok usher bind --dry-run "$card"
is free

# The upper interface is in a container. A listing does not show it, because a listing starts no
# process. Verbs that decide about the card ask in every network namespace.
carries() {
	expect_status 3 usher bind --dry-run "$card"
	expect_text '[net]'
	expect_text "carries $1 in another network namespace: $2"
}
modprobe -qa macvlan ipvlan 8021q
ip netns add usher-box || fail 'no network namespace'
at_exit 'ip netns del usher-box 2>/dev/null'
ip link set "$eth" up
is unsure 'another network namespace may use it'
expect_ok usher list -n "$card"
expect_text 'free?'
expect_text 'a listing does not look into other network namespaces'
for kind in macvlan ipvlan vlan; do
	case $kind in vlan) id='id 9' ;; *) id= ;; esac
	# shellcheck disable=SC2086
	ip link add usher-up link "$eth" type $kind $id || fail "no $kind"
	ip link set usher-up netns usher-box || fail "the $kind does not move"
	carries usher-up /run/netns/usher-box
	ip -n usher-box link del usher-up
done
expect_ok usher bind --dry-run "$card"
ip link add usher-up link "$eth" type macvlan
ip link set usher-up netns usher-box
ip netns exec usher-box sleep 300 &
sleeper=$!
at_exit "kill $sleeper 2>/dev/null"
in_the_box() { [ "$(readlink /proc/$sleeper/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
wait_until 10 in_the_box
wait_until 10 grep -q sleep /proc/$sleeper/comm
carries usher-up "sleep (pid $sleeper, root)"
expect_status 3 usher bind "$card"
expect_driver "$card" e1000e
expect_ok usher bind --dry-run --allow=net "$card"
expect_ok usher show -n "$card"
expect_text 'carries usher-up in another network namespace'
expect_ok usher snapshot "$work/report.host"
expect_ok usher show -n --host "$work/report.host" "$card"
expect_text "carries usher-up in another network namespace: sleep (pid $sleeper"
if command -v strace >/dev/null; then
	expect_ok strace -f -qq -e trace=fork,vfork,clone,clone3,setns -o "$work/calls" usher list -n
	[ ! -s "$work/calls" ] || fail "a listing starts a process: $(cat "$work/calls")"
fi
kill $sleeper
wait $sleeper 2>/dev/null

# Nobody is in that namespace: a descriptor keeps it, and then a mount that only another process has.
sleep 300 9</run/netns/usher-box &
sleeper=$!
at_exit "kill $sleeper 2>/dev/null"
: >"$work/kept"
unshare -m sh -c "mount --make-rprivate / && mount --bind /run/netns/usher-box $work/kept &&
	exec sleep 300" &
mounter=$!
at_exit "kill $mounter 2>/dev/null"
is_kept() { grep -q "$work/kept" /proc/$mounter/mountinfo && grep -q sleep /proc/$mounter/comm; }
wait_until 10 is_kept
ip netns del usher-box
held "carries usher-up in another network namespace: sleep (pid "
kill $mounter
wait $mounter 2>/dev/null
held "carries usher-up in another network namespace: sleep (pid $sleeper, root)"
ip link del usher-up 2>/dev/null
kill $sleeper
wait $sleeper 2>/dev/null
is_let_go() { usher bind --dry-run "$card" >/dev/null 2>&1; }
wait_until 10 is_let_go

# The interface itself moves to another network namespace: only an empty folder is left of it here.
at_exit 'ip netns del usher-far 2>/dev/null'
ip netns add usher-far || fail 'no network namespace'
ip link set "$eth" netns usher-far || fail "$eth does not move"
is busy 'in another network namespace'
expect_status 3 usher bind "$card"
expect_text '[net]'
expect_text "its interface $eth is in another network namespace: /run/netns/usher-far"
expect_driver "$card" e1000e
expect_ok usher bind --dry-run --allow=net "$card"
expect_status 3 usher check "$card"
expect_text "$pci/$card/net"
expect_text 'ip -n NAMESPACE link set'
# A snapshot shows the same.
expect_ok usher snapshot "$work/report.host"
expect_ok usher list -n --json --host "$work/report.host" "$card"
expect_text 'in another network namespace'
ip -n usher-far link set "$eth" netns 1 || fail "$eth does not come back"
is unsure
ip netns del usher-far
is free
