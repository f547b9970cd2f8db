#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# The keeper is killed: the guest stops by itself, even while its console is stuck, and restore
# returns the device.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
exec 7</etc/passwd # as careless callers leave one
guest_script <<'END'
echo 'guest: ready'
while :; do echo 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef; done
END
line=$work/line
mkfifo "$line"
# The pipe is open for writing as well, so that the reader does not end with a stillborn guest.
# The sed of busybox has no -u.
{ /bin/sed -u '/guest: ready/q' >"$work/console"; exec sleep 600; } <>"$line" &
at_exit "kill $!"
start_guest script --device "$disk"
vmm=$(vmm_pid)
writes() {
	grep -q pipe_write "/proc/$vmm"/task/*/wchan
}
wait_until 60 writes

# Its walls: a user of its own without rights, which nobody traces, and no group.
expect_ok cat "/proc/$vmm/status"
user=$(ls /run/usher/uid)
expect_text "Uid:	$user	$user	$user	$user"
expect_text "Gid:	$user	$user	$user	$user"
for set in Inh Prm Eff Bnd Amb; do expect_text "Cap$set:	0000000000000000"; done
expect_text 'NoNewPrivs:	1'
expect_text 'Seccomp:	2'
expect_equal "the owner of usher-vmm's files in /proc" 0 "$(stat -c %u "/proc/$vmm/mem")"
for space in mnt pid net ipc uts; do
	[ "$(readlink "/proc/$vmm/ns/$space")" != "$(readlink "/proc/$keeper/ns/$space")" ] ||
		fail "usher-vmm is in the host's namespace $space"
done
expect_equal "usher-vmm's number in its PID namespace" 1 \
	"$(sed -n 's/^NSpid:.*\t//p' "/proc/$vmm/status")"
expect_ok ls -l "/proc/$vmm/fd"
expect_no_text "/dev/vfio/$(group_of "$disk")"
expect_text /dev/vfio/vfio
expect_no_text /etc/passwd
expect_equal "usher-vmm's environment" '' "$(tr '\0' '\n' <"/proc/$vmm/environ")"
expect_equal "usher-vmm's folder" / "$(readlink "/proc/$vmm/cwd")"
kill -9 "$keeper"
wait "$keeper" 2>/dev/null
wait_until 10 test ! -e "/proc/$vmm"
expect_driver "$disk" vfio-pci
expect_ok usher restore
expect_text "$disk: vfio-pci -> nvme"
expect_text 'removed what 1 killed keeper left'
expect_driver "$disk" nvme
expect_override "$disk" none
expect_equal 'the journal' '' "$(ls /run/usher/journal)"
expect_equal 'reserved users' '' "$(ls /run/usher/uid)"
expect_ok usher restore
