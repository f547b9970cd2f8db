#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# timeout: 400
# A guest at a terminal has a virtio console, which is hvc0 and as large as the terminal, and ports:
# a socket, a pseudo terminal, a file, one for viewers, and one that nobody reads. Peers come, leave
# and come back, and the guest sees it. A port at standard input and output; the same by QEMU. A
# default device that does not start does not prevent the guest.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

boot_words='earlycon=uart8250,io,0x3f8 console=hvc0 panic=-1 oops=panic'
folder=/run/usher/vm/talk
cat >"$work/ports" <<'END_OF_SCRIPT'
for port in /sys/class/virtio-ports/*; do
	name=$(cat "$port/name" 2>/dev/null)
	[ -z "$name" ] || ln -s "/dev/${port##*/}" "/dev/port-$name"
done
# Answers each line, whoever comes: a read ends while nobody is there. The port stays open, because
# the guest's driver drops what comes while it is not.
answer() { # PORT WORD
	exec 3<>"/dev/port-$1"
	while :; do
		while read -r line <&3; do echo "$2 $line" >&3; done
		sleep 0.2
	done
}
echo "guest: ports $(cd /dev && echo port-*)"
echo "guest: console $(cat /sys/class/tty/console/active)"
END_OF_SCRIPT

# The script of the first guest, and of the one by QEMU.
{
	cat "$work/ports"
	cat <<'END_OF_SCRIPT'
echo 'to the file' >/dev/port-log
answer agent heard &
if [ ! -e /dev/port-chat ]; then
	echo 'guest: ready'
	sleep 1000
fi
size=$(stty size)
echo "guest: size $size"
echo 'to whoever looks' >/dev/port-chat
answer line pty &
# Nobody reads this one: it comes to a stand when its queue is full (256 buffers of 32 KiB), and nothing
# else does.
dd if=/dev/zero of=/dev/port-flood bs=64k count=512 2>/dev/null &
flood=$!
dd if=/dev/zero of=/dev/port-log bs=64k count=4 2>/dev/null
echo 'guest: ready'
n=0
while [ "$(stty size)" = "$size" ] && [ $n -lt 300 ]; do
	n=$((n + 1))
	sleep 0.2
done
echo "guest: size now $(stty size)"
read -r word
echo "guest: typed $word"
echo "guest: flood $(kill -0 $flood 2>/dev/null && echo waits || echo is over)"
read -r word
reboot -f
END_OF_SCRIPT
} >"$work/first"
guest_script <"$work/first"
many=$initrd

ask() { # PATH TEXT: what a peer of the socket gets for a line
	python3 - "$1" "$2" <<'END_OF_PYTHON'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\n")
text = b""
while not text.endswith(b"\n"):
    text += s.recv(1)
print(text.decode(), end="")
END_OF_PYTHON
}

hold() { # PATH: a peer that never reads
	exec python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
time.sleep(1000)' "$1"
}

# terminal.py COMMAND…: runs it at a terminal of 30 rows and 90 columns; what comes on standard input
# is typed. With SIGUSR1 the terminal gets 40 rows and 110 columns.
cat >"$work/terminal.py" <<'END_OF_PYTHON'
import fcntl, os, pty, select, signal, struct, sys, termios
def resize(rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
hold, go = os.pipe()
child, master = pty.fork()
if child == 0:
    os.close(go)
    os.read(hold, 1)
    os.execvp(sys.argv[1], sys.argv[1:])
os.close(hold)
resize(30, 90)
signal.signal(signal.SIGUSR1, lambda *_: resize(40, 110))
os.close(go)
watched = [0, master]
while True:
    ready = select.select(watched, [], [])[0]
    if 0 in ready:
        keys = os.read(0, 100)
        if keys:
            os.write(master, keys)
        else:
            watched.remove(0)
    if master in ready:
        try:
            text = os.read(master, 4096)
        except OSError:
            break
        os.write(1, text)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
END_OF_PYTHON

run_script() {
	python3 "$work/terminal.py" usher run --kernel "$kernel" --initrd "$many" "$@" \
		--cmdline "$boot_words usher.do=script" <"$work/to_guest"
}

expect_status 2 usher run --plan --kernel "$kernel" --port a,stdio
expect_text "standard input and output are the console's"

# The host has a way out, and a passt that does not start.
ip link set lo up
modprobe tun
ip tuntap add up0 mode tap || fail 'the host makes no tap'
at_exit 'ip link del up0'
ip addr add 10.9.0.5/24 dev up0
ip link set up0 up
ip route add default via 10.9.0.254 dev up0
mkdir "$work/broken"
printf '#!/bin/sh\necho "it is broken" >&2\nexit 1\n' >"$work/broken/passt"
chmod +x "$work/broken/passt"
expect_ok usher run --plan --kernel "$kernel"
expect_text 'net: user network, mac 02:'
expect_text ', by default'

with_path=$PATH
PATH=$work/broken:$PATH
expect_ok usher run --detach --name away --memory 64M --kernel "$kernel"
expect_text 'warning: the guest has no network: passt does not start: it is broken'
expect_ok usher stop --force away
open_guest --name talk --console virtio --port agent,socket --port line,pty --port chat \
	--port "log,file=$work/log,limit=100k" --port "flood,socket=$work/flood"
PATH=$with_path
socket_is_there() { [ -S "$work/flood" ]; }
wait_until 60 socket_is_there
hold "$work/flood" &
holder=$!
at_exit "kill $holder 2>/dev/null"
wait_for_guest '^guest: ready'
expect_guest 'warning: the guest has no network: passt does not start: it is broken'
expect_status 1 usher control talk link user up
expect_text "guest 'talk' has started without card 'user'"
expect_guest 'Linux version' 'the serial port has not shown the boot'
[ "$(grep -c 'Linux version' "$console")" = 1 ] || fail 'the boot is shown twice'
expect_guest '^guest: ports port-agent port-chat port-flood port-line port-log'
expect_guest '^guest: console hvc0'
expect_guest '^guest: size 30 90' 'the console has not the size of the terminal'

# The terminal gets another size, and the kernel tells its processes.
kill -USR1 "$(pgrep -f "^python3 $work/terminal.py")"
wait_for_guest '^guest: size now 40 110'

# Peers come, leave and come back.
for n in 1 2 3; do
	expect_ok ask "$folder/port-agent" "hello $n"
	expect_text "heard hello $n"
done
python3 - "$folder/port-line" <<'END_OF_PYTHON' || fail 'the pseudo terminal does not answer'
import os, signal, sys
signal.alarm(120)
for n in range(2):
    fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
    os.write(fd, b"word %d\n" % n)
    text = b""
    while not text.endswith(b"\n"):
        text += os.read(fd, 100)
    assert text == b"pty word %d\n" % n, text
    os.close(fd)
END_OF_PYTHON
expect_ok usher console --history talk chat
expect_text 'to whoever looks'
expect_ok usher console --history talk agent
expect_text 'heard hello 3'
expect_ok usher console --history talk
expect_text 'guest: ready'
expect_ok usher complete -- console talk ''
[ "$(cut -f1 <"$work/out" | sort | tr '\n' ' ')" = 'agent chat flood line log ' ] ||
	fail_with_output 'a shell does not offer the ports'
expect_status 1 usher console --history talk nothing
expect_text "guest 'talk' has no port 'nothing'"

# Keys come by the virtio console, and the flood waits for its reader.
echo hello >&8
wait_for_guest '^guest: typed hello'
wait_for_guest '^guest: flood waits'
[ "$(stat -c %s "$work/log")" -le 102400 ] || fail 'the file is longer than its limit'
head -n 1 "$work/log" | grep -qx 'to the file' || fail 'the file has not what the guest wrote'

# After a reboot all of that is there again.
echo again >&8
wait_for_times 2 '^guest: ready'
expect_ok ask "$folder/port-agent" 'once more'
expect_text 'heard once more'
# Its usher-vmm hangs, and does not press the button: the time of the stop is over all the same.
kill -STOP "$(vmm_pid)"
expect_ok usher stop --timeout 2 talk
expect_text "guest 'talk' still runs: it is stopped now"
wait_for_guest '^usher ended'
[ ! -e "$work/flood" ] && [ ! -e "$folder" ] || fail 'a socket or a link was left'

# By QEMU, which makes its own ends.
qemu_talks() {
	ask /run/usher/vm/talk/port-agent hello >"$work/told" 2>/dev/null || ! pidof qemu-system-x86_64 >/dev/null
}
board='-nodefaults -no-user-config -display none -no-reboot -M q35 -accel kvm -cpu host'
# shellcheck disable=SC2086 # these are several words
usher run --engine=qemu --name talk --kernel "$kernel" --initrd "$many" --console virtio \
	--cmdline 'console=hvc0 quiet panic=-1 usher.do=script' --port agent,socket --port line,pty \
	--port "log,file=$work/log" -- $board </dev/null >"$work/console" 2>&1 &
qemu=$!
at_exit "kill -9 $qemu 2>/dev/null"
wait_until 120 qemu_talks
grep -q 'heard hello' "$work/told" || fail "QEMU's port does not answer"
expect_guest '^guest: ports port-agent port-line port-log'
expect_guest '^guest: console hvc0'
grep -qx 'to the file' "$work/log" || fail "QEMU's file has not what the guest wrote"
expect_ok usher stop --force --quiet talk
wait "$qemu"

# A port is standard input and output, and viewers have the console.
{
	cat "$work/ports"
	cat <<'END_OF_SCRIPT'
exec 3<>/dev/port-both
read -r line <&3
echo "guest: heard $line"
echo "heard $line" >&3
read -r line <&3
poweroff -f
END_OF_SCRIPT
} >"$work/last"
guest_script <"$work/last"
mkfifo "$work/keys"
exec 9<>"$work/keys"
# shellcheck disable=SC2094 # usher is to read it while we write
usher run --name talk --console none --port both,stdio --kernel "$kernel" --initrd "$initrd" \
	--cmdline 'console=ttyS0 quiet panic=-1 usher.do=script' <"$work/keys" >"$work/both" 2>"$work/keeper" &
keeper=$!
at_exit "kill -9 $keeper 2>/dev/null"
echo 'a word' >&9
wait_for_line 120 "$work/both" 'heard a word'
[ "$(cat "$work/both")" = 'heard a word' ] || fail "the port has more: $(cat "$work/both")"
expect_ok usher console --history talk
expect_text 'guest: heard a word'
echo end >&9
wait "$keeper" || fail "the guest did not power off: $(cat "$work/keeper")"
