# SPDX-License-Identifier: MIT
# For the run_* tests: a guest inside the emulated host. Sourced after lib.sh.

kernel=$(cat /run/lab/kernel)
initrd=$(cat /run/lab/initrd)

# guest WISH [OPTION…]: runs one to its end, or until the test kills it. lab/guest-init knows what
# usher.do=WISH means.
guest() {
	wish_=$1
	shift
	${become:-} usher run --kernel "$kernel" --initrd "$initrd" \
		--cmdline "console=ttyS0 quiet panic=-1 usher.do=$wish_" "$@" </dev/null
}

# start_guest WISH [OPTION…]: in the background; waits until it says that it is ready.
start_guest() {
	become=exec # $! is to be usher itself, not a shell that waits for it
	guest "$@" >"$work/console" 2>"$work/keeper" &
	become=
	keeper=$!
	at_exit "kill -9 $keeper 2>/dev/null"
	wait_until 90 ready_or_gone
	grep -q 'guest: ready' "$work/console" || fail "the guest ended early: $(cat "$work/keeper")"
}

ready_or_gone() {
	grep -q 'guest: ready' "$work/console" || ! kill -0 "$keeper"
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

# open_guest [OPTION…]: a guest does its script in the background. What is written to descriptor 8 it
# reads from its console; what it says, and then the status of usher run, is in $console.
open_guest() {
	console=$work/console
	rm -f "$work/to_guest"
	mkfifo "$work/to_guest"
	{
		usher run --kernel "$kernel" --initrd "$initrd" \
			--cmdline "console=ttyS0 quiet panic=-1 ${words:-} usher.do=script" "$@" <"$work/to_guest"
		echo "usher ended: $?"
	} >"$console" 2>&1 &
	exec 8>"$work/to_guest"
}

# wait_for_guest PATTERN: until a line of it, or of usher run, is like that; fails when it ends first.
wait_for_guest() {
	tries=2400
	until grep -q -- "$1" "$console"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] && ! grep -q '^usher ended' "$console" ||
			grep -q -- "$1" "$console" || { cat "$console"; fail "the guest does not say '$1'"; }
		sleep 0.1
	done
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
