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

# The VMM's process, of the one guest that runs.
vmm_pid() {
	pidof usher-vmm
}

disk_checksum() { # BLOCK
	dd if="/dev/$1" bs=1M count=8 iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1
}
