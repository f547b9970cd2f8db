#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# timeout: 300
# A guest's sockets to the host: a file goes each way, called by the host and by the guest, also after
# a reboot. The guest's address follows from its name, and no other guest gets it. A host without
# vhost-vsock is refused, and has unix sockets instead.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

talk=$top/build/test/live/vsock_talk
rm -f /dev/vhost-vsock
expect_status 125 usher run --kernel "$kernel" --initrd "$initrd" --vsock
expect_text 'this host has no /dev/vhost-vsock'
expect_text 'modprobe vhost_vsock'
expect_text 'vsock=socket'
modprobe -r vhost_vsock 2>/dev/null
dd if=/dev/urandom of="$work/file" bs=64k count=64 2>/dev/null
sum=$(sha256sum <"$work/file" | cut -d' ' -f1)
guest_script "$talk" <<'END'
for word in $(cat /proc/cmdline); do
	case $word in again) again=1 ;; esac
done
grep -q 'virtqueues$' /proc/interrupts && echo 'guest: one vector'
for n in 1 2; do
	echo "guest: listens $n"
	/vsock_talk listen 7001 </dev/null >/file
	echo "guest: got $(sha256sum </file | cut -d' ' -f1)"
	/vsock_talk connect 2 7002 </file >/back
	echo "guest: answered $(sha256sum </back | cut -d' ' -f1)"
done
read -r word
[ "$word" = again ] && reboot -f
END

# has_one_vector: a vector for each queue costs more exits.
has_one_vector() {
	[ "$(grep -c '^guest: one vector' "$console")" -gt 0 ] || fail 'the queues have not one vector'
}

# talked N: the host calls, and then the guest calls the host, which answers with the same file.
talked() {
	wait_for_line 60 "$console" '^guest: listens' "$1"
	"$talk" connect "$cid" 7001 <"$work/file" || fail 'the host cannot call'
	timeout 60 "$talk" listen "${door}7002" <"$work/file" >"$work/back" ||
		fail 'nobody calls the host'
	[ "$(sha256sum <"$work/back" | cut -d' ' -f1)" = "$sum" ] || fail 'the host got something else'
	wait_for_line 60 "$console" "^guest: answered $sum" "$1"
}

# Without the host's kernel: the socket is the caller's alone, and goes with the guest. A port where
# nobody listens refuses.
cid=/run/usher/vm/talker/vsock
door=${cid}_
expect_ok usher run --plan --kernel "$kernel" --initrd "$initrd" --name talker --vsock=5,socket
expect_text "vsock: CID 5, by unix sockets at $cid"
open_guest --name talker --vsock=socket
talked 1
has_one_vector
[ "$(stat -c '%a %U' "$cid")" = '600 root' ] || fail "the socket is $(stat -c '%a %U' "$cid")"
rm -f "${door}7002"
talked 2
rm -f "${door}7002"
! timeout 20 "$talk" through "$cid" 9999 </dev/null 2>/dev/null || fail 'a port without a program is there'
echo again >&8
talked 3
rm -f "${door}7002"
talked 4
rm -f "${door}7002"
echo off >&8
wait_for_guest '^usher ended: 0'
[ ! -e "$cid" ] || fail 'the socket is left behind'

modprobe vhost_vsock || skip 'this kernel has no vhost_vsock'
wait_until 10 test -e /dev/vhost-vsock
expect_ok usher run --plan --kernel "$kernel" --initrd "$initrd" --name talker --vsock
cid=$(sed -n 's/^vsock: CID //p' "$work/out")
door=
[ "$cid" -ge 1073741824 ] || fail "the guest's address is '$cid'"
open_guest --name talker --vsock
talked 1
has_one_vector
talked 2
expect_status 125 usher run --kernel "$kernel" --initrd "$initrd" --name other --vsock="$cid"
expect_text "another guest has the CID $cid"
echo again >&8
talked 3
talked 4
echo off >&8
wait_for_guest '^usher ended: 0'
