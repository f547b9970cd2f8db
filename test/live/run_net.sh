#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: cards
# guest: small
# timeout: 400
# A guest's virtio network cards: at a tap with two pairs of queues, which the kernel serves without a
# system call of usher-vmm, also after a reboot; at a tap without offloads and vhost; at a macvtap;
# with a file each way; a macvtap has one guest, and a cable is pulled and plugged in. And at a user-mode
# network. There a file goes each way, and the guest answers by a forwarded port, also if it is to
# speak first. It finds a resolver, but nothing else of the host's loopback, whatever address it
# tries. passt has walls of its own, and shares the guest's limits. When it is killed in
# mid-transfer, the guest goes on without a link.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

ip link set lo up
ip -6 addr add fd00:8::1/128 dev lo
at_exit 'ip -6 addr del fd00:8::1/128 dev lo'
modprobe -a tun vhost_net macvtap veth
ip tuntap add usr0 mode tap multi_queue || fail 'the host makes no tap'
at_exit 'ip link del usr0'
ip tuntap add usr1 mode tap
at_exit 'ip link del usr1'
ip link add mac2 type veth peer name usr2
at_exit 'ip link del mac2'
ip link add link mac2 name mtap2 type macvtap mode bridge
ip link set mac2 up
ip link set mtap2 up
for i in 0 1 2; do
	ip addr add 10.7.$i.1/24 dev usr$i
	ip link set usr$i up
done
dd if=/dev/urandom of="$work/file" bs=64k count=64 2>/dev/null
sum=$(sha256sum <"$work/file" | cut -d' ' -f1)

# The host's servers: 7001 gives the file, 7002 prints the checksum of what it takes, 7003 of the
# loopbacks alone gives a secret, 7004 takes without an end, 7005 says whether to reboot; 53 of the
# loopback says that each name is 10.8.0.1.
cat >"$work/serve.py" <<'END'
import hashlib, socket, socketserver, sys, threading, time
data = open(sys.argv[1], "rb").read()
class Give(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(data)
class Secret(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"secret\n")
class Order(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(orders.pop(0))
orders = [b"again", b"off"]
class Drink(socketserver.BaseRequestHandler):
    def handle(self):
        while self.request.recv(65536):
            print("host: drinks", flush=True)
            time.sleep(0.1)
class Take(socketserver.StreamRequestHandler):
    def handle(self):
        print("host: took", hashlib.sha256(self.rfile.read()).hexdigest(), flush=True)
socketserver.TCPServer.allow_reuse_address = True
class Name(socketserver.BaseRequestHandler):
    def handle(self):
        query, line = self.request
        end = query.index(b"\0", 12) + 5
        kind = query[end - 4:end - 2]
        answers = kind == b"\0\1"
        line.sendto(query[:2] + b"\x81\x80\0\1" + bytes([0, answers]) + bytes(4) + query[12:end]
                    + (b"\xc0\x0c\0\1\0\1" + bytes(4) + b"\0\4\x0a\x08\0\1") * answers, self.client_address)
class Six(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
servers = [socketserver.ThreadingTCPServer(*a) for a in (
    (("", 7001), Give), (("", 7002), Take), (("127.0.0.1", 7003), Secret), (("127.0.0.53", 7003), Secret), (("", 7004), Drink), (("", 7005), Order))]
servers += [Six(("::1", 7003), Secret), Six(("fd00:8::1", 7001), Give), socketserver.ThreadingUDPServer(("127.0.0.1", 53), Name)]
for server in servers:
    threading.Thread(target=server.serve_forever).start()
print("host: serves", flush=True)
END
python3 "$work/serve.py" "$work/file" >"$work/served" 2>&1 &
at_exit "kill -9 $! 2>/dev/null"
wait_until 30 grep -q 'host: serves' "$work/served"

# took N: the file, so often.
took() {
	[ "$(grep -c "host: took $sum" "$work/served")" = "$1" ]
}

# is_walled PID: passt is nobody, and can do nothing.
is_walled() {
	cat "/proc/$1/status" >"$work/status"
	[ "$(sed -n 's/^Uid:.//p' "$work/status" | cut -f1)" -ge 2020963072 ] ||
		fail 'passt runs as another user'
	grep -q '^Seccomp:.2' "$work/status" || fail 'passt makes any system call'
	grep -q '^NoNewPrivs:.1' "$work/status" || fail 'passt can get new rights'
	[ -z "$(ls -A "/proc/$1/root/")" ] || fail "passt sees $(ls "/proc/$1/root/")"
	for kind in mnt ipc uts; do
		[ "$(readlink "/proc/$1/ns/$kind")" != "$(readlink "/proc/self/ns/$kind")" ] ||
			fail "passt shares the $kind namespace"
	done
}

cat >"$work/udhcpc.sh" <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/${mask:-24} dev $interface
ip route add $router dev $interface
ip route add default via $router dev $interface
echo "guest: resolver $dns"
END
chmod +x "$work/udhcpc.sh"
# nc keeps its own direction open: see usher-run(1) about passt.
guest_script "$work/udhcpc.sh" "$top/build/test/live/net_echo" "$top/build/test/live/net_knock" <<'END'
ip link set lo up
mkdir -p /tmp
mkfifo /open
exec 7<>/open
for word in $(cat /proc/cmdline); do
	case $word in net=*) net=${word#net=} ;; esac
done
at_tap() { # INTERFACE NET
	echo "guest: $1 address $(cat /sys/class/net/$1/address) mtu $(cat /sys/class/net/$1/mtu)"
	echo "guest: $1 features $(cat /sys/class/net/$1/device/features)"
	ip addr add $2.2/24 dev $1
	ip link set $1 up
	ping -c 3 -w 20 $2.1 | grep -q '3 packets received' && echo "guest: $1 pings"
	nc -w 60 $2.1 7001 <&7 >/file
	echo "guest: $1 got $(sha256sum </file | cut -d' ' -f1)"
	nc -w 60 $2.1 7002 </file
}
case $net in
tap)
	echo 'guest: waits'
	read -r go
	at_tap eth0 10.7.0
	read -r go
	[ "$(nc -w 20 10.7.0.1 7005 <&7)" = again ] && reboot -f
	at_tap eth1 10.7.1
	at_tap eth2 10.7.2
	for cable in eth0 eth1; do
		for link in 1 0 1; do
			n=0
			while [ "$(cat /sys/class/net/$cable/carrier)" != $link ] && [ $n -lt 600 ]; do
				n=$((n + 1))
				sleep 0.1
			done
			echo "guest: $cable carrier $(cat /sys/class/net/$cable/carrier)"
		done
		ping -c 1 -w 20 10.7.${cable#eth}.1 | grep -q '1 packets received' && echo "guest: $cable is back"
	done
	;;
user)
	ip link set eth0 up
	udhcpc -i eth0 -s /udhcpc.sh -n -q -t 10 2>/dev/null
	gateway=$(ip route | sed -n 's/^default via \([^ ]*\).*/\1/p')
	echo "guest: gateway $gateway"
	nc -w 60 10.8.0.1 7001 <&7 >/file
	echo "guest: eth0 got $(sha256sum </file | cut -d' ' -f1)"
	nc -w 60 10.8.0.1 7002 </file
	# As long as passt tells a guest that asks: a frame is longer than a piece of its socket.
	ip link set eth0 mtu 65520
	nc -w 60 10.8.0.1 7001 <&7 >/long
	echo "guest: eth0 got long frames $(sha256sum </long | cut -d' ' -f1)"
	nc -w 60 10.8.0.1 7002 </long
	echo "guest: name $(nslookup host.test $gateway 2>&1 | grep 'Address.*10\.8\.0\.1')"
	/net_echo 53 &
	for i in 1 2; do
		mkfifo /out$i
		cat /file - <&7 >/out$i &
		echo "guest: listens $i"
		nc -l -p 22 </out$i >/dev/null
		echo "guest: served $i"
	done
	read -r go
	own4=$(ip addr show dev eth0 | sed -n 's/^ *inet \([^/]*\).*/\1/p')
	echo "guest: gateway '$(nc -w 3 $gateway 7003 <&7 2>&1)'"
	for target in '10.8.0.1 7001' '127.0.0.1 7003' '127.0.0.53 7003' '0.0.0.0 7003'; do
		echo "guest: knocks at $target: $(/net_knock eth0 $own4 $target)"
	done
	for target in 'fd00:8::1 7001' '::1 7003' ':: 7003' '::ffff:127.0.0.1 7003'; do
		echo "guest: knocks at $target: $(/net_knock eth0 fd00:9::5 $target)"
	done
	read -r go
	echo 'guest: drinks'
	cat /dev/zero | nc 10.8.0.1 7004 >/dev/null &
	n=0
	while [ "$(cat /sys/class/net/eth0/carrier)" = 1 ] && [ $n -lt 600 ]; do
		n=$((n + 1))
		sleep 0.1
	done
	echo "guest: carrier $(cat /sys/class/net/eth0/carrier)"
	read -r go
	;;
esac
END

words=net=tap open_guest --name tapped --memory 256M --cpus 2 --net tap=usr0,queues=2 \
	--net tap=usr1,offload=off,vhost=off,mtu=1400,mac=02:00:00:12:34:56 --net tap=mtap2
wait_for_guest '^guest: waits'
vmm=$(vmm_pid)
ls -l "/proc/$vmm/fd" | grep -q vhost-net || fail 'vhost-net is not used'
strace -qq -c -o "$work/calls" -p "$vmm" &
strace=$!
echo go >&8
wait_for_guest '^guest: eth0 got'
wait_for_line 60 "$work/served" "host: took $sum"
kill -INT $strace
wait $strace
echo go >&8
frames=$(($(cat /sys/class/net/usr0/statistics/rx_packets) + $(cat /sys/class/net/usr0/statistics/tx_packets)))
calls=$(sed -n 's/^100.00 *[^ ]* *[^ ]* *\([0-9]*\) .*/\1/p' "$work/calls")
# The console makes some; a card that usher-vmm serves makes more than one a frame.
[ "${calls:-0}" -lt $((frames / 3)) ] || fail "$calls system calls for $frames frames: $(cat "$work/calls")"
wait_for_times 2 '^guest: waits'
echo go >&8
echo go >&8
exec 8>&-
wait_for_guest '^guest: eth2 got'
! usher run --kernel "$kernel" --net tap=mtap2 </dev/null >"$work/busy" 2>&1 || fail 'two guests have one macvtap'
grep -q "macvtap 'mtap2' is in use: process $(vmm_pid) (usher-vmm)" "$work/busy" || fail "$(cat "$work/busy")"
for card in 0 1; do
	wait_for_guest "^guest: eth$card carrier 1"
	expect_ok usher control tapped link usr$card down
	wait_for_guest "^guest: eth$card carrier 0"
	expect_ok usher control tapped link usr$card up
	wait_for_guest "^guest: eth$card is back"
done
wait_for_guest '^usher ended: 0'
for card in eth0 eth1 eth2; do
	expect_guest "^guest: $card pings"
	expect_guest "^guest: $card got $sum" 'the file came otherwise'
done
[ "$(grep -c "^guest: eth0 got $sum" "$console")" = 2 ] || fail 'vhost-net has not come back after a reboot'
wait_until 30 took 4
# Bits 0 and 1, checksums; 3, the MTU; 7, 8, 11 and 12, segmentation; 15, merged buffers; 22, several pairs.
expect_guest '^guest: eth0 features 11.0...11..11..1......1' 'its driver has not accepted the offloads'
expect_guest '^guest: eth1 features 00.1...00..00..1......0' 'its driver has accepted offloads'
expect_guest '^guest: eth1 address 02:00:00:12:34:56 mtu 1400'
expect_guest "^guest: eth2 address $(cat /sys/class/net/mtap2/address) mtu 1500"

# Another program has the tap.
python3 -c 'import fcntl, os, struct, sys, time
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"usr1", 0x1002))
print("host: holds", flush=True)
time.sleep(600)' >"$work/holder" &
holder=$!
at_exit "kill -9 $holder 2>/dev/null"
wait_until 30 grep -q 'host: holds' "$work/holder"
! usher run --kernel "$kernel" --net tap=usr1 </dev/null >"$work/busy" 2>&1 || fail 'two have one tap'
grep -q "another program uses tap 'usr1'" "$work/busy" || fail "$(cat "$work/busy")"
kill -9 $holder

# By the user-mode network. The host has a way out, which leads nowhere.
ip tuntap add up0 mode tap
at_exit 'ip link del up0'
ip addr add 10.9.0.5/24 dev up0
ip link set up0 up
ip route add default via 10.9.0.254 dev up0
ip addr add 10.8.0.1/32 dev lo
at_exit 'ip addr del 10.8.0.1/32 dev lo'
# By an interface with a carrier: IPv6 needs one.
ip -6 addr add fd00:9::5/64 dev usr2 nodad
ip -6 route add default via fd00:9::fe dev usr2
! usher run --kernel "$kernel" --net user,forward=tcp:7001:22 </dev/null >"$work/busy" 2>&1 ||
	fail 'a port that is in use is forwarded'
grep -q 'another program of the host uses port 7001' "$work/busy" || fail "$(cat "$work/busy")"
! pidof passt || fail 'passt is left behind'
# A resolver of the host's own.
cp /etc/resolv.conf "$work/resolv.conf"
at_exit 'cat "$work/resolv.conf" >/etc/resolv.conf'
echo 'nameserver 127.0.0.1' >/etc/resolv.conf
words=net=user open_guest --name networked --memory 256M --memory-limit 1G --net user,forward=tcp:2222:22,forward=udp:2223:53
wait_for_guest '^guest: listens 1'
expect_guest "^guest: eth0 got $sum" 'the file came otherwise'
expect_guest '^guest: resolver 10.9.0.254'
expect_guest '^guest: name .*10.8.0.1' 'the guest finds no name'
expect_guest "^guest: eth0 got long frames $sum"
wait_until 30 took 6
passt=$(pidof passt)
is_walled "$passt"
expect_equal 'cgroup' "$(cat "/proc/$(vmm_pid)/cgroup")" "$(cat "/proc/$passt/cgroup")"
grep -q usher-run- "/proc/$passt/cgroup" || fail 'passt has no limits'
# A client that waits for the guest to speak, and one that speaks first. passt accepts a connection
# before the guest listens, and then closes it.
cat >"$work/client.py" <<'END'
import hashlib, socket, sys, time
data = b""
while len(data) < 4 << 20:
    time.sleep(0.2)
    try:
        client = socket.create_connection(("127.0.0.1", 2222))
        client.send(sys.argv[1].encode())
        data = client.makefile("rb").read(4 << 20)
    except ConnectionError:
        pass
print("host: forwarded", hashlib.sha256(data).hexdigest())
END
for first in '' hello; do
	timeout 60 python3 "$work/client.py" "$first" >"$work/forwarded" 2>&1
	grep -q "host: forwarded $sum" "$work/forwarded" || fail "by the forwarded port, '$first' first: $(cat "$work/forwarded")"
done
wait_for_guest '^guest: served 2'
# By UDP for other machines: the passt of Debian 12 sends no answer to a program of its host itself. A
# datagram may be lost, so the client says it again.
ip netns add usher-far
at_exit 'ip netns del usher-far'
ip link add far0 type veth peer name near0 netns usher-far
ip addr add 10.6.0.1/24 dev far0
ip link set far0 up
ip -n usher-far addr add 10.6.0.2/24 dev near0
ip -n usher-far link set near0 up
cat >"$work/asks.py" <<'END'
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(0.5)
client.connect(("10.6.0.1", 2223))
for i in range(40):
    try:
        client.send(b"who is there?")
        print("host: answered", client.recv(100).decode())
        break
    except (TimeoutError, ConnectionRefusedError):
        pass
END
ip netns exec usher-far python3 "$work/asks.py" >"$work/asked" 2>&1
expect_equal 'the answer by the forwarded UDP port' 'host: answered who is there?' "$(cat "$work/asked")"
echo go >&8
wait_for_times 8 '^guest: knocks'
! grep -q secret "$console" || fail 'the guest reaches the host'"'"'s loopback'
expect_guest '^guest: knocks at 10.8.0.1 7001: answered'
expect_guest '^guest: knocks at fd00:8::1 7001: answered'
[ "$(grep -c '^guest: knocks at .* 7003: silent' "$console")" = 6 ] || fail 'the host'"'"'s loopback answers'
echo go >&8
wait_for_guest '^guest: drinks'
wait_for_line 60 "$work/served" 'host: drinks'
kill -9 "$passt"
wait_for_guest '^guest: carrier'
expect_guest 'the user-mode network is gone: the guest goes on without a link'
expect_guest '^guest: carrier 0' 'the guest has a link to nobody'
expect_status 1 usher control networked link user down
expect_text "the link of card 'user' is down already"
expect_status 1 usher control networked link user up
expect_text "the link of card 'user' stays down: its passt or tap is gone"
echo go >&8
exec 8>&-
wait_for_guest '^usher ended: 0'
! pidof passt || fail 'passt is left behind'
