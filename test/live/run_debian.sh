#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# disk: debian
# timeout: 600
# A disk with Debian 12, which usher has made: usher takes the kernel out of it, and the guest boots in
# the background to a login. It gets an address and a file by the user network, is reached by ssh, also
# over vsock without the host's kernel, does not reach the host's loopback, and powers off by its button. What usher-image may do, too.
. "${0%/*}/lib.sh"

image=$(cat /run/lab/image)
disk=$(readlink /dev/image)

# Images that are made to harm, in a host whose root file system is no mount of its own. What they name
# does not come out, and what reads them is a user of its own in a root of its own.
cd "$work" || exit 1
expect_ok usher image create base.img 8M
expect_ok usher image overlay top.qcow2 base.img
expect_ok usher image info top.qcow2
expect_text 'backed by   base.img (raw)'
for name in /etc/shadow ../../etc/shadow 'json:{"driver":"file","filename":"/etc/shadow"}' nbd://127.0.0.1/x; do
	qemu-img rebase -u -F raw -b "$name" top.qcow2 || fail "qemu-img takes no '$name'"
	expect_status 3 usher image info top.qcow2
	expect_no_text root:
	expect_status 3 usher image overlay next.qcow2 top.qcow2
done
printf '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n%s\n' \
	'RW 8 FLAT "/etc/shadow" 0' >flat.vmdk
expect_status 1 usher image info flat.vmdk
expect_text 'its header names other files'
if strace -V >/dev/null 2>&1; then
	strace -ff -o calls -e trace=execve,setresuid,openat,socket,seccomp usher image info top.qcow2 >/dev/null 2>&1
	calls_of calls /usr/bin/qemu-img >of_image
	[ -s of_image ] || fail "no qemu-img: $(cat calls.*)"
	grep -q 'setresuid(20209' calls.* || fail 'qemu-img has no user of its own'
	grep 'openat.*shadow\|socket(.*= [0-9]' of_image &&
		fail 'qemu-img reached for more than its image'
fi
loop=$(losetup -f --show base.img) && {
	expect_status 3 usher image resize base.img +8M
	expect_text "it is below ${loop##*/}"
	losetup -d "$loop"
}
expect_ok usher image resize base.img +8M
cd /

# From an image and from a block device: the same kernel.
expect_ok usher run --plan --kernel-from "$image" --memory 1G
expect_text "kernel: /vmlinuz of $image"
expect_ok usher run --plan --disk "$disk" --memory 1G
expect_text "kernel: /vmlinuz of $disk"
expect_text 'initrd: /initrd.img'
expect_text 'cmdline: root=PARTUUID=aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee rw console=ttyS0 panic=-1'
expect_ok usher image info "$disk"
expect_text 'format      raw'
expect_status 2 usher run --plan --disk "$disk" --no-defaults
expect_text 'no --kernel'
expect_status 2 usher run --plan --kernel-from "$disk" --kernel "$image"
expect_status 2 usher run --plan --kernel-from /etc/passwd
expect_text "--kernel-from: '/etc/passwd': no kernel found"

# What reads the disk is a user of its own, without rights, and opens nothing.
if strace -V >/dev/null 2>&1; then
	strace -ff -o "$work/calls" -e trace=openat,setresuid,capset,seccomp,unshare,socket,execve,pread64 \
		usher run --plan --disk "$disk" --memory 1G >/dev/null || fail 'a plan under strace'
	# The first read of the disk comes behind the last wall.
	calls_of "$work/calls" /usher-image >"$work/image_calls"
	grep -q 'setresuid(20209' "$work/image_calls" || fail "no user of its own: $(cat "$work/image_calls")"
	grep -q 'unshare(.*CLONE_NEWNET.*= 0' "$work/image_calls" || fail 'it is in the network of the host'
	grep -q 'seccomp(.*= 0' "$work/image_calls" || fail 'its calls are not filtered'
	sed -n '/seccomp(.*= 0/,$p' "$work/image_calls" | grep 'openat(.*= [0-9]\|socket(.*= [0-9]' &&
		fail 'it opened something behind its walls'
fi

# A way out for the user network, which leads nowhere. 7001 gives a file; 7003, of the loopback alone,
# a secret.
ip link set lo up
modprobe tun
expect_ok usher run --plan --disk "$disk" --memory 512M
expect_text 'net: none, because this host has no default route'
ip tuntap add up0 mode tap || fail 'the host makes no tap'
at_exit 'ip link del up0'
ip addr add 10.9.0.5/24 dev up0
ip link set up0 up
ip route add default via 10.9.0.254 dev up0
ip addr add 10.8.0.1/32 dev lo
at_exit 'ip addr del 10.8.0.1/32 dev lo'
expect_ok usher run --plan --disk "$disk" --memory 512M
expect_text 'net: user network, mac 02:'
for words in '--net none' --no-defaults; do
	# shellcheck disable=SC2086 # these are several words
	expect_ok usher run --plan --disk "$disk" --kernel-from "$disk" --memory 512M $words
	expect_no_text 'net:'
done
head -c 1000000 /dev/urandom >"$work/file"
sum=$(sha256sum <"$work/file" | cut -d' ' -f1)
cat >"$work/serve.py" <<'END'
import socketserver, sys, threading
given = {7001: open(sys.argv[1], "rb").read(), 7003: b"secret\n"}
class Give(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(given[self.server.server_address[1]])
socketserver.TCPServer.allow_reuse_address = True
for address in ("10.8.0.1", 7001), ("127.0.0.1", 7003):
    threading.Thread(target=socketserver.ThreadingTCPServer(address, Give).serve_forever).start()
print("host: serves", flush=True)
END
python3 "$work/serve.py" "$work/file" >"$work/served" 2>&1 &
at_exit "kill -9 $! 2>/dev/null"
wait_until 120 grep -q 'host: serves' "$work/served"
ssh-keygen -q -t ed25519 -N '' -f "$work/key" || fail 'no key for ssh'

# In the background, as a person has it; the console is a viewer's.
mkfifo "$work/keys"
: >"$work/console"
exec 8<>"$work/keys"
at_exit 'usher stop --force --quiet debian 2>/dev/null'
from=$(seconds_up)
expect_ok usher run --detach --name debian --disk "$disk" --memory 512M --net user,forward=tcp:2222:22 \
	--vsock=socket
expect_text "the kernel is '/vmlinuz' of '$disk'"
# A kernel is silent at first.
expect_ok usher console --history debian
if [ ! -s "$work/out" ]; then
	expect_text "guest 'debian' has written nothing to its console yet"
fi
usher console debian <"$work/keys" >"$work/console" 2>"$work/news" &
viewer=$!
at_exit "kill -9 $viewer 2>/dev/null"
fail_with_guest() {
	fail "$1: $(cat "$work/news"; tail -40 "$work/console")"
}
wait_for_debian() { # PATTERN
	wait_for_line 180 "$work/console" "$1" 1 "$viewer"
	grep -q -- "$1" "$work/console" || fail_with_guest "the guest has not said '$1'"
}
wait_for_debian '^debian login:'
echo "login after $(($(seconds_up) - from)) s"
printf 'root\n' >&8
wait_for_debian 'root@debian:~#'
cat >&8 <<END
stty -echo
printf '%s\\n' '[Socket]' ListenStream=vsock::22 Accept=yes >/run/systemd/system/vsock-ssh.socket
printf '%s\\n' '[Service]' 'ExecStart=-/usr/sbin/sshd -i' StandardInput=socket >/run/systemd/system/vsock-ssh@.service
systemctl daemon-reload; systemctl start vsock-ssh.socket
mkdir -p -m 700 .ssh; echo '$(cat "$work/key.pub")' >.ssh/authorized_keys
echo "root: \$(findmnt -no SOURCE,OPTIONS / | tr -s ' ')"; echo "random: \$(cat /sys/class/misc/hw_random/rng_available)"; echo "state: \$(systemctl is-system-running --wait)"
n=0; until ip route | grep -q ^default || [ \$n -ge 300 ]; do n=\$((n + 1)); sleep 0.2; done
echo "address: \$(ip -4 -o addr show scope global | tr -s ' ' | cut -d' ' -f2,4) route: \$(ip route | grep ^default)"
echo "file: \$(timeout 60 bash -c 'cat </dev/tcp/10.8.0.1/7001' | sha256sum)"
echo "loopback: \$(for a in 10.9.0.254 10.9.0.5 127.0.0.1; do timeout 3 bash -c "cat </dev/tcp/\$a/7003"; done 2>&1 | grep -c secret)"
echo 'its own words are over'
END
wait_for_debian '^its own words are over'
grep -q 'root: /dev/vda1 rw' "$work/console" || fail_with_guest 'its root is not its disk'
grep -q '^random: virtio_rng' "$work/console" || fail_with_guest 'it has no entropy device'
grep -q '^state: running' "$work/console" || fail_with_guest 'a unit has failed'
grep -q '^address: en[a-z0-9]* 10.9.0.5/24 route: default via 10.9.0.254' "$work/console" ||
	fail_with_guest 'it has no address by DHCP'
grep -q "^file: $sum" "$work/console" || fail_with_guest 'the file came otherwise'
grep -q '^loopback: 0' "$work/console" || fail_with_guest "the guest reaches the host's loopback"
by_ssh() {
	timeout 100 ssh -n -i "$work/key" -p 2222 -o BatchMode=yes -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@127.0.0.1 "$@"
}
from=$(seconds_up)
expect_ok by_ssh 'echo "by ssh: $(hostname) $(cat /sys/class/dmi/id/sys_vendor 2>/dev/null)"'
expect_text 'by ssh: debian'
echo "ssh after $(($(seconds_up) - from)) s"
through="$top/build/test/live/vsock_talk through /run/usher/vm/debian/vsock 22"
expect_ok by_ssh -o ProxyCommand="$through" 'echo "by vsock: $(hostname)"'
expect_text 'by vsock: debian'
expect_ok usher console --history debian
expect_text 'its own words are over'

# systemd shuts down in order when the power button is pressed.
from=$(seconds_up)
expect_ok usher stop --timeout 100 debian
grep -q "guest 'debian' ended with status 0" "$work/err" || fail_with_guest "$(cat "$work/err")"
echo "off after $(($(seconds_up) - from)) s"
wait "$viewer"
grep -q 'reboot: Power down' "$work/console" || fail_with_guest 'the kernel did not turn it off'
grep -q "guest 'debian' ended with status 0" /run/usher/log/debian || fail 'the log has no end'
! pidof passt || fail 'passt is left behind'
