# SPDX-License-Identifier: MIT
# For the run_* tests: a guest inside the emulated host. Sourced after lib.sh.

kernel=$(cat /run/lab/kernel)
initrd=$(cat /run/lab/initrd)

# guest WISH [OPTION…]: runs one to its end, or until the test kills it. lab/guest-init knows what
# usher.do=WISH means.
guest() {
	wish_=$1
	shift
	usher run --kernel "$kernel" --initrd "$initrd" \
		--cmdline "console=ttyS0 quiet panic=-1 usher.do=$wish_" "$@" </dev/null
}

# start_guest WISH [OPTION…]: in the background; waits until it says that it is ready.
start_guest() {
	guest "$@" >"$work/console" 2>"$work/keeper" &
	keeper=$!
	at_exit "kill -9 $keeper 2>/dev/null"
	wait_until 60 grep -q 'guest: ready' "$work/console"
}

# The VMM's process, of the one guest that runs.
vmm_pid() {
	pidof usher-vmm
}

disk_checksum() { # BLOCK
	dd if="/dev/$1" bs=1M count=8 iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1
}
