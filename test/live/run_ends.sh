#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# timeout: 240
# After every kind of end of a guest, its device returns to the host driver.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
back() {
	expect_driver "$disk" nvme
	expect_override "$disk" none
	expect_equal "the journal after $1" '' "$(ls /run/usher/journal)"
}

expect_ok guest reboot --no-reboot --device "$disk"
back 'a reboot'

expect_status 1 guest panic --device "$disk"
expect_text 'Kernel panic'
expect_text 'guest crashed: its kernel panicked: sysrq triggered crash'
back 'a panic'

# A kernel that would never leave its panic: its pvpanic driver finds the port and reports the
# panic.
set --
for file in $(modprobe --show-depends pvpanic-mmio | sed -n 's/^insmod //p'); do
	set -- "$@" "$file"
done
guest_script "$@" <<'END'
insmod /pvpanic.ko
insmod /pvpanic-mmio.ko
echo c >/proc/sysrq-trigger
END
words=panic=0
open_guest --device "$disk"
wait_for_guest 'usher ended'
expect_guest 'guest crashed: its kernel panicked: sysrq triggered crash'
expect_guest 'usher ended: 1'
back 'a panic that pvpanic tells of'

start_guest sleep --device "$disk"
expect_driver "$disk" vfio-pci
kill -9 "$(vmm_pid)"
wait "$keeper"
expect_equal "the keeper's exit status after kill -9 of usher-vmm" 137 $?
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
	wait_until 120 ready_or_ended
}
until start_read; ! stillborn "$work/console"; do wait "$keeper"; done
kill -9 $reader
kill -INT "$keeper"
wait "$keeper"
expect_equal "the keeper's exit status after SIGINT and without a reader" 130 $?
back 'a reader that ended'

start_guest sleep --device "$disk"
kill -INT "$keeper"
wait "$keeper"
status=$?
grep -q 'is being stopped (Interrupt)' "$work/keeper" || fail "$(cat "$work/keeper")"
expect_equal "the keeper's exit status after SIGINT" 130 $status
back 'SIGINT'

# Its terminal is closed, while /run has no room for a new entry of the journal.
mount -t tmpfs -o size=64k tmpfs /run/usher || fail 'no small /run/usher'
at_exit 'umount /run/usher'
cat >"$work/terminal.py" <<'PY'
"""terminal.py CONSOLE COMMAND…: runs it at a terminal, fills /run/usher when its guest is ready, and
then closes the terminal. Exit status: that of the command; 255 if a signal has ended it."""
import os
import pty
import sys

child, master = pty.fork()
if not child:
    os.execvp(sys.argv[2], sys.argv[2:])
with open(sys.argv[1], "wb", buffering=0) as console:
    said = part = b" "
    while part and b"guest: ready" not in said:
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        said += part
        console.write(part)
os.system("dd if=/dev/zero of=/run/usher/fill bs=1k 2>/dev/null")
os.close(master)
status = os.waitpid(child, 0)[1]
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 255)
PY
at_terminal() {
	rm -f /run/usher/fill
	python3 "$work/terminal.py" "$work/console" usher run --kernel "$kernel" --initrd "$initrd" \
		--device "$disk" --cmdline "$boot_words usher.do=sleep"
}
until at_terminal; status=$?; ! stillborn "$work/console"; do :; done
expect_equal "the keeper's exit status after the end of its terminal" 129 $status
back 'the end of its terminal'
