# SPDX-License-Identifier: MIT
# For the run_* tests: a guest inside the emulated host. Sourced after lib.sh.

kernel=$(cat /run/lab/kernel)
initrd=$(cat /run/lab/initrd)

# stillborn CONSOLE: the guest's kernel oopsed before its init ran. On a busy machine that happens
# now and then: QEMU's VMRUN loses or invents a pending interrupt (lab/session.py), and the kernel in
# there gets an exception where none can be. It shows in the flags that the exception saved, of which
# hardware keeps bits 3, 5, 15 and 22 upwards at 0. Such a boot is told of and made again, twice in a
# test at most; a guest that came as far as its init, or whose flags can be, never is.
stillborn() {
	! grep -q ': guest rebooted' "$1" && died_unborn "$1"
}

# stillborn_again CONSOLE: the same of a guest that rebooted. Its test has to begin anew by itself.
stillborn_again() {
	grep -q ': guest rebooted' "$1" && died_unborn "$1"
}

# died_unborn CONSOLE: in its last boot.
died_unborn() {
	grep -q 'Kernel panic' "$1" && flags_cannot_be "$1" || return 1
	[ "$(grep -c '^guest: up' "$1")" -le "$(grep -c ': guest rebooted' "$1")" ] || return 1
	[ "$(cat /run/lab/stillborn 2>/dev/null | wc -l)" -lt 2 ] || return 1
	echo 'stillborn, again:' | cat - "$1" >&2
	echo "$0" >>/run/lab/stillborn
}

# The lines are "RSP: 0018:ffffc90000017ad0 EFLAGS: 0526b222".
flags_cannot_be() {
	for flags_ in $(sed -n 's/.*EFLAGS: 0*\([0-9a-f]\{1,8\}\)\>.*/\1/p' "$1"); do
		[ $((0x$flags_ & 0xffc08028)) -eq 0 ] || return 0
	done
	return 1
}

# guest WISH [OPTION…]: runs one to its end, or until the test kills it. lab/guest-init knows what
# usher.do=WISH means.
guest() {
	until run_guest "$@" >"$work/born"; status_=$?; ! stillborn "$work/born"; do :; done
	cat "$work/born"
	return $status_
}

run_guest() {
	wish_=$1
	shift
	${become:-} usher run --kernel "$kernel" --initrd "$initrd" \
		--cmdline "console=ttyS0 quiet panic=-1 usher.do=$wish_" "$@" </dev/null
}

# start_guest WISH [OPTION…]: in the background; waits until it says that it is ready. Its console
# goes to $work/console, or to the file $line if that is set.
start_guest() {
	become=exec # $! is to be usher itself, not a shell that waits for it
	run_guest "$@" >"${line:-$work/console}" 2>"$work/keeper" &
	become=
	keeper=$!
	at_exit "kill -9 $keeper 2>/dev/null"
	wait_until 120 ready_or_ended
	! stillborn "$work/console" || { wait "$keeper"; start_guest "$@"; return; }
	grep -q 'guest: ready' "$work/console" || fail "the guest ended early: $(cat "$work/keeper")"
}

ready_or_ended() {
	grep -q 'guest: ready\|Kernel panic' "$work/console" ||
		! grep -q '^State:.[^Z]' "/proc/$keeper/status"
}

# guest_script [FILE…] <SCRIPT: what a guest with usher.do=script does, with all of busybox, and with
# these files in its root; it is an archive behind the initramfs.
guest_script() {
	mkdir -p "$work/archive"
	{ echo 'busybox --install -s /bin'; cat; } >"$work/archive/script"
	[ $# -eq 0 ] || cp "$@" "$work/archive"
	(cd "$work/archive" && find . | cpio -o -H newc 2>/dev/null) >"$work/archive.cpio"
	cat "$(cat /run/lab/initrd)" "$work/archive.cpio" >"$work/initrd"
	initrd=$work/initrd
}

# open_guest [OPTION…]: a guest does its script, or $wish, in the background. What is written to
# descriptor 8 it reads from its console; what it says, and then the status of usher run, is in
# $console.
open_guest() {
	console=$work/console
	rm -f "$work/to_guest"
	mkfifo "$work/to_guest"
	: >"$console"
	{
		until run_script "$@"; status_=$?; ! stillborn "$console"; do :>"$console"; done
		echo "usher ended: $status_"
	} >>"$console" 2>&1 &
	exec 8>"$work/to_guest"
}

run_script() {
	usher run --kernel "$kernel" --initrd "$initrd" "$@" <"$work/to_guest" \
		--cmdline "console=ttyS0 quiet panic=-1 ${words:-} usher.do=${wish:-script}"
}

# wait_for_guest PATTERN: until a line of it, or of usher run, is like that; fails when it ends first.
wait_for_guest() {
	wait_until 240 said_or_ended "$1"
	expect_guest "$1"
}

said_or_ended() {
	grep -q -- "$1" "$console" || grep -q '^usher ended' "$console"
}

# expect_guest PATTERN [WHAT]: a line of its console is like that.
expect_guest() {
	grep -q -- "$1" "$console" || { cat "$console"; fail "${2:-the guest has not said '$1'}"; }
}

# The VMM's process, of the one guest that runs.
vmm_pid() {
	pidof usher-vmm
}

disk_checksum() { # BLOCK
	dd if="/dev/$1" bs=1M count=8 iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1
}
