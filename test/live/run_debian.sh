#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# disk: debian
# timeout: 600
# A disk with Debian 12, as a person has one: usher takes the kernel out of it, and the guest boots from
# it to a login. What usher-image may do, too.
. "${0%/*}/lib.sh"

image=$(cat /run/lab/image)
disk=$(readlink /dev/image)

# From an image and from a block device: the same kernel.
expect_ok usher run --plan --kernel-from "$image" --memory 1G
expect_text "kernel: /vmlinuz of $image"
expect_ok usher run --plan --disk "$disk" --memory 1G
expect_text "kernel: /vmlinuz of $disk"
expect_text 'initrd: /initrd.img'
expect_text 'cmdline: root=PARTUUID=aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee rw console=ttyS0 panic=-1'
expect_status 2 usher run --plan --disk "$disk" --no-defaults
expect_text 'no --kernel'
expect_status 2 usher run --plan --kernel-from "$disk" --kernel "$image"
expect_status 2 usher run --plan --kernel-from /etc/passwd
expect_text "--kernel-from: '/etc/passwd': no kernel found"

# What reads the disk is a user of its own, without rights, and opens nothing.
if strace -V >/dev/null 2>&1; then
	strace -f -o "$work/calls" -e trace=openat,setresuid,capset,seccomp,unshare,socket,execve,pread64 \
		usher run --plan --disk "$disk" --memory 1G >/dev/null || fail 'a plan under strace'
	# The first read of the disk comes behind the last wall.
	sed -n '/execve.*usher-image/,$p' "$work/calls" >"$work/image_calls"
	grep -q 'setresuid(20209' "$work/image_calls" || fail "no user of its own: $(cat "$work/image_calls")"
	grep -q 'unshare(.*CLONE_NEWNET.*= 0' "$work/image_calls" || fail 'it is in the network of the host'
	grep -q 'seccomp(.*= 0' "$work/image_calls" || fail 'its calls are not filtered'
	sed -n '/seccomp(.*= 0/,$p' "$work/image_calls" | grep 'openat(.*= [0-9]\|socket(.*= [0-9]' |
		grep -v "^$(sed -n 's/ .*//p' "$work/calls" | head -1) " && fail 'it opened something behind its walls'
fi

mkfifo "$work/keys"
: >"$work/console"
exec 8<>"$work/keys"
usher run --name debian --disk "$disk" --memory 512M <"$work/keys" >"$work/console" 2>"$work/news" &
keeper=$!
at_exit "kill -9 $keeper 2>/dev/null"
fail_with_guest() {
	fail "$1: $(cat "$work/news"; tail -40 "$work/console")"
}
said() { # PATTERN
	grep -q -- "$1" "$work/console" || ! kill -0 "$keeper" 2>/dev/null
}
wait_for_debian() { # PATTERN
	wait_until "${2:-180}" said "$1"
	grep -q -- "$1" "$work/console" || fail_with_guest "the guest has not said '$1'"
}
from=$(seconds_up)
wait_for_debian '^debian login:'
echo "login after $(($(seconds_up) - from)) s"
grep -q "the kernel is '/vmlinuz' of '$disk'" "$work/news" || fail_with_guest 'no word about the kernel'
printf 'root\n' >&8
wait_for_debian 'root@debian:~#'
cat >&8 <<'END'
echo "root: $(findmnt -no SOURCE,OPTIONS / | tr -s ' ')"; echo "random: $(cat /sys/class/misc/hw_random/rng_available)"; echo "state: $(systemctl is-system-running --wait)"
END
wait_for_debian '^state: '
grep -q 'root: /dev/vda1 rw' "$work/console" || fail_with_guest 'its root is not its disk'
grep -q '^state: running' "$work/console" || fail_with_guest 'a unit has failed'

# systemd shuts down in order.
from=$(seconds_up)
echo 'systemctl poweroff' >&8
wait "$keeper" || fail_with_guest 'the guest did not end in order'
echo "off after $(($(seconds_up) - from)) s"
grep -q 'reboot: Power down' "$work/console" || fail_with_guest 'the kernel did not turn it off'
grep -q "guest 'debian' ended with status 0" "$work/news" || fail_with_guest 'no end'
