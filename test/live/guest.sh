# SPDX-License-Identifier: MIT
# For tests with a guest inside the emulated host. Sourced after lib.sh.

kernel=$(cat /run/lab/kernel)
initrd=$(cat /run/lab/initrd)
# A guest whose kernel oopses ends at once. Otherwise the kernel ends one of its threads, and a boot
# that needs this thread waits forever. The other words save time in the emulation, as those of the
# emulated host (lab/machine.py).
boot_words='console=ttyS0 quiet panic=-1 oops=panic mitigations=off no_timer_check cryptomgr.notests'
boot_words="$boot_words rcupdate.rcu_expedited=1 audit=0 apparmor=0"

# The cards of the topology of that name. The first two are functions of one card, in one slot.
all_cards='8086:10d3 1234:11e8 1b36:000d 1000:0079 10ec:8139 1234:1111 1b36:0010'

# stillborn CONSOLE: the guest's kernel oopsed before its init ran. On a busy machine this happens
# now and then: QEMU's VMRUN loses or invents a pending interrupt (lab/session.py), and the guest's
# kernel gets an exception where none is possible. The saved flags show it: hardware keeps bits 3,
# 5, 15 and 22 upwards at 0. Such a boot is reported and repeated, at most twice in a test. A guest
# that reached its init, or whose flags are possible, is never repeated.
stillborn() {
	! grep -q ': guest rebooted' "$1" && died_unborn "$1"
}

# stillborn_again CONSOLE: the same for a guest that rebooted. Its test must start again by itself.
stillborn_again() {
	grep -q ': guest rebooted' "$1" && died_unborn "$1"
}

# died_unborn CONSOLE: the same, for the last boot on this console.
died_unborn() {
	grep -q 'Kernel panic' "$1" && flags_cannot_be "$1" || return 1
	[ "$(grep -c '^guest: up' "$1")" -le "$(grep -c ': guest rebooted' "$1")" ] || return 1
	[ "$(cat /run/lab/stillborn 2>/dev/null | wc -l)" -lt 2 ] || return 1
	echo 'stillborn, again:' | cat - "$1" >&2
	echo "$0" >>/run/lab/stillborn
}

# Such a line is "RSP: 0018:ffffc90000017ad0 EFLAGS: 0526b222".
flags_cannot_be() {
	for flags_ in $(sed -n 's/.*EFLAGS: 0*\([0-9a-f]\{1,8\}\)\>.*/\1/p' "$1"); do
		[ $((0x$flags_ & 0xffc08028)) -eq 0 ] || return 0
	done
	return 1
}

# guest WISH [OPTION…]: runs a guest to its end, or until the test kills it. lab/guest-init explains
# usher.do=WISH.
guest() {
	be_born run_guest "$@"
}

# be_born COMMAND…: runs a guest on standard output to its end, again while it is stillborn.
be_born() {
	until "$@" >"$work/born"; status_=$?; ! stillborn "$work/born"; do :; done
	cat "$work/born"
	return $status_
}

run_guest() {
	wish_=$1
	shift
	${become:-} usher run --kernel "$kernel" --initrd "$initrd" \
		--cmdline "$boot_words usher.do=$wish_" "$@" </dev/null
}

# qemu_guest WISH [OPTION…]: as guest, with a stock QEMU as the engine.
qemu_guest() {
	be_born run_qemu_guest "$@"
}

board='-nodefaults -no-user-config -display none -no-reboot -M q35 -accel kvm -cpu host -serial stdio'
run_qemu_guest() {
	wish_=$1
	shift
	# shellcheck disable=SC2086 # these are several words
	${become:-} usher run --engine=qemu --kernel "$kernel" --initrd "$initrd" \
		--cmdline "$boot_words usher.do=$wish_" "$@" -- $board </dev/null
}

# start_guest WISH [OPTION…]: runs a guest in the background, and waits until it is ready. Its
# console goes to $work/console, or to the file $line if that is set.
start_guest() {
	become=exec # $! is to be usher itself, not a shell that waits for it
	run_guest "$@" >"${line:-$work/console}" 2>"$work/keeper" &
	become=
	keeper=$!
	at_exit "kill -9 $keeper 2>/dev/null"
	wait_for_line 120 "$work/console" 'guest: ready\|Kernel panic' 1 "$keeper"
	! stillborn "$work/console" || { wait "$keeper"; start_guest "$@"; return; }
	grep -q 'guest: ready' "$work/console" || fail "the guest ended early: $(cat "$work/keeper")"
}

# guest_script [FILE…] <SCRIPT: what a guest with usher.do=script runs, with all commands of busybox
# and these files in its root. They are an archive behind the initramfs.
guest_script() {
	mkdir -p "$work/archive"
	{ echo 'busybox --install -s /bin'; cat; } >"$work/archive/script"
	[ $# -eq 0 ] || cp "$@" "$work/archive"
	(cd "$work/archive" && find . | cpio -o -H newc 2>/dev/null) >"$work/archive.cpio"
	cat "$(cat /run/lab/initrd)" "$work/archive.cpio" >"$work/initrd"
	initrd=$work/initrd
}

# open_guest [OPTION…]: runs a guest with its script, or $wish, in the background. The guest's
# console reads from descriptor 8. $console has its output, and then the exit status of usher run.
open_guest() {
	console=$work/console
	rm -f "$work/to_guest"
	mkfifo "$work/to_guest"
	: >"$console"
	{
		until run_script "$@"; status_=$?; ! stillborn "$console"; do :>"$console"; done
		echo "usher ended: $status_"
	} >>"$console" 2>&1 &
	guest_process=$!
	exec 8>"$work/to_guest"
}

run_script() {
	usher run --kernel "$kernel" --initrd "$initrd" "$@" <"$work/to_guest" \
		--cmdline "$boot_words ${words:-} usher.do=${wish:-script}"
}

# wait_for_guest PATTERN: until a line of the guest or of usher run matches; fails at an early end.
wait_for_guest() {
	wait_for_line 240 "$console" "$1\|^usher ended"
	expect_guest "$1"
}

# wait_for_times N PATTERN: until so many lines match, or the guest has ended.
wait_for_times() {
	wait_for_line 240 "$console" "$2" "$1" "$guest_process"
}

# expect_guest PATTERN [MESSAGE]: a line of the guest or of usher run matches.
expect_guest() {
	grep -q -- "$1" "$console" || { cat "$console"; fail "${2:-the guest has not said '$1'}"; }
}

# The process of the only usher-vmm.
vmm_pid() {
	pidof usher-vmm
}

disk_checksum() { # BLOCK
	dd if="/dev/$1" bs=1M count=8 iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1
}
