#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# timeout: 400
# After every kind of end of a guest, its device returns to the host driver.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
back() {
	expect_driver "$disk" nvme
	expect_override "$disk" none
	expect_equal "the journal after $1" '' "$(ls /run/usher/journal)"
}

cat >"$work/terminal.py" <<'PY'
"""terminal.py HOW CONSOLE COMMAND…: runs it at a terminal of its own. Exit status: that of the command;
255 if a signal has ended it; 254 if usher-vmm does not wait for the terminal; 253 if the terminal is
not raw while the guest runs, or is raw afterwards.
HOW: background	as a job in the background: it ends by itself, and a key stays for the shell
     stopped	when the guest is ready, it gets Ctrl-A by Ctrl-A a; then the terminal is stopped, as by
		Ctrl-S; when usher-vmm waits for it in write(2), SIGINT comes
     killed	usher-vmm is killed when the guest is ready
     closed	/run/usher is filled when the guest is ready, and then the terminal is closed"""
import fcntl
import os
import pathlib
import pty
import signal
import sys
import termios
import time

TIOCGPTN = 0x80045430  # the number of the terminal; this Python has no name for it


def start(command):
    child, master = pty.fork()
    if child:
        return child, master
    if how == "background" and (job := os.fork()):
        status = os.waitpid(job, os.WUNTRACED)[1]
        if not os.WIFEXITED(status) or os.read(0, 9) != b"k\n":
            os.killpg(0, signal.SIGKILL)
        os._exit(os.WEXITSTATUS(status))
    if how == "background":
        os.setpgid(0, 0)
    os.execvp(command[0], command)


def read_until(words):
    said = part = b" "
    while part and words not in said:
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        said += part
        console.write(part)


def vmm():
    """The folder in /proc of the only usher-vmm."""
    return next(path.parent for path in pathlib.Path("/proc").glob("[0-9]*/comm")
                if path.read_text() == "usher-vmm\n")


def waits_in_write():
    """Whether a thread of usher-vmm is blocked in a write(2), system call 1, to the terminal."""
    for task in vmm().glob("task/*"):
        words = (task / "syscall").read_text().split()
        if words[0] == "1" and os.stat(
                task / "fd" / str(int(words[1], 16))).st_rdev == os.fstat(terminal).st_rdev:
            return True
    return False


def wait_for_write():
    for _ in range(1200):
        if waits_in_write():
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    sys.exit(254)


def is_raw():
    return not termios.tcgetattr(terminal)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)


how, command = sys.argv[1], sys.argv[3:]
child, master = start(command)
if how == "background":
    os.write(master, b"k\n")
with open(sys.argv[2], "wb", buffering=0) as console:
    read_until(b"no such words" if how == "background" else b"guest: ready")
    # Not before: as long as it is open here, the end of the guest is no end of the terminal.
    number = int.from_bytes(fcntl.ioctl(master, TIOCGPTN, bytes(4)), sys.byteorder)
    terminal = os.open(f"/dev/pts/{number}", os.O_RDWR | os.O_NOCTTY)
    wrong = how != "background" and not is_raw()
    if how == "stopped":
        os.write(master, b"\x01a")
        read_until(b"key 01")
if how == "stopped":
    termios.tcflow(terminal, termios.TCOOFF)
    wait_for_write()
    os.kill(child, signal.SIGINT)
elif how == "killed":
    os.kill(int(vmm().name), signal.SIGKILL)
elif how == "closed":
    os.system("dd if=/dev/zero of=/run/usher/fill bs=1k 2>/dev/null")
    os.close(terminal)
    os.close(master)
status = os.waitpid(child, 0)[1]
if wrong or (how != "closed" and is_raw()):
    sys.exit(253)
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 255)
PY
# at_terminal HOW WISH [OPTION…]
at_terminal() {
	how_=$1
	shift
	until run_at_terminal "$@"; status=$?; ! stillborn "$work/console"; do :; done
}
run_at_terminal() {
	wish_=$1
	shift
	rm -f /run/usher/fill
	python3 "$work/terminal.py" "$how_" "$work/console" usher run --kernel "$kernel" --initrd "$initrd" \
		--device "$disk" --cmdline "$boot_words usher.do=$wish_" "$@"
}

at_terminal background reboot --no-reboot
expect_equal 'the exit status of a job in the background' 0 $status
grep -q 'guest: up' "$work/console" || fail 'the guest in the background said nothing'
back 'a reboot'

expect_status 1 guest panic --device "$disk"
expect_text 'Kernel panic'
expect_text 'guest crashed: its kernel panicked: sysrq triggered crash'
back 'a panic'

at_terminal killed sleep
expect_equal "the keeper's exit status after kill -9 of usher-vmm, at a terminal" 137 $status
back 'kill -9 of usher-vmm'

# The reader of its output ends first, as `tee` does at Ctrl-C.
mkfifo "$work/log"
start_read() {
	cat <"$work/log" >"$work/console" &
	reader=$!
	become=exec
	run_guest sleep --device "$disk" >"$work/log" 2>&1 &
	become=
	keeper=$!
	wait_for_line 120 "$work/console" 'guest: ready\|Kernel panic' 1 "$keeper"
}
until start_read; ! stillborn "$work/console"; do wait "$keeper"; done
kill -9 $reader
kill -INT "$keeper"
wait "$keeper"
expect_equal "the keeper's exit status after SIGINT and without a reader" 130 $?
back 'a reader that ended'

# Ctrl-A a reaches the guest. SIGINT at a terminal that is stopped while the guest fills it.
guest_script <<'END'
stty raw -echo
echo 'guest: ready'
echo "key $(dd bs=1 count=1 2>/dev/null | od -An -tx1 | tr -d ' ')"
while :; do echo 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef; done
END
at_terminal stopped script
expect_equal "the keeper's exit status after SIGINT at a stopped terminal" 130 $status
back 'SIGINT'
wait_until 10 sh -c '! pidof usher-client'

# Its terminal is closed, while /run has no room for a new entry of the journal.
mount -t tmpfs -o size=64k tmpfs /run/usher || fail 'no small /run/usher'
at_exit 'umount /run/usher'
at_terminal closed sleep
expect_equal "the keeper's exit status after the end of its terminal" 129 $status
grep -q 'Ctrl-A x stops it, Ctrl-A a sends Ctrl-A' "$work/console" ||
	fail 'nobody at the terminal learns the way out'
back 'the end of its terminal'
