#!/bin/sh
# SPDX-License-Identifier: MIT
# timeout: 240
# usher-vmm alone, with the distribution's kernel: how a guest ends, what it sees, what it costs.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

# vmm WISH [OPTION…]: runs usher-vmm.
vmm() {
	wish_=$1
	shift
	${become:-} "$top/build/test/live/vmm_send" usher-vmm --name t --memory 256M --kernel "$kernel" \
		--initrd "$initrd" --cmdline "$boot_words usher.do=$wish_" "$@"
}

# Console input and two processors; the same boot measures the cost.
ask() {
	echo 'busybox nproc | sed s/^/processors:/; sed s/^/interrupts:/ /proc/interrupts'
	echo 'busybox dmesg | sed -n /.PCI:/p; sed -n /.odel.name/p /proc/cpuinfo; exit'
}
for applet in nproc sed dmesg; do
	/bin/busybox --list | grep -qx $applet || skip "this busybox has no $applet"
done
mkfifo "$work/in"
start_vmm() {
	become=exec # $! is to be usher-vmm itself
	vmm shell --cpus 2 --timing <"$work/in" >"$work/console" 2>"$work/keeper" &
	become=
	keeper=$!
	exec 8>"$work/in"
	wait_for_line 90 "$work/console" 'guest: ready\|Kernel panic' 1 "$keeper"
}
until start_vmm; ! stillborn "$work/console"; do wait "$keeper"; done
grep -q 'guest: ready' "$work/console" || fail 'the guest ended early'
vmm=$(vmm_pid)

# [KiB] The memory of the process besides the guest's RAM.
beside=$(awk '/^[0-9a-f]+-/ {size = 0} /^Size:/ {size = $2} /^Pss:/ && size < 262144 {sum += $2}
	END {print sum}' "/proc/$vmm/smaps")
echo "memory beside the guest's: $beside KiB"
[ "$beside" -le 6144 ] || fail "the VMM takes $beside KiB beside the guest's memory"

cat "/proc/$vmm/task"/*/comm >"$work/threads"
for thread in 'vcpu 0' 'vcpu 1'; do
	grep -qx "$thread" "$work/threads" || fail "no thread '$thread': $(cat "$work/threads")"
done

ask >&8
wait "$keeper" || fail "exit status $?"
command='usher-vmm, usher.do=shell'
cp "$work/console" "$work/out"
cp "$work/keeper" "$work/err"
expect_text 'processors:2'
# The name is the host's, and configuration space is there before ACPI is.
expect_text "$(grep -m 1 '^model name' /proc/cpuinfo)"
expect_text 'PCI: Using configuration type 1 for base access'
expect_no_text 'No config space access function found'
expect_text 'guest powered off'
grep '^timing' "$work/err"
exits=$(sed -n 's/^timing: exits //p' "$work/err")
[ "$exits" -le 3000 ] || fail "$exits exits to user space"

expect_ok be_born vmm reboot --no-reboot </dev/null
expect_text 'guest rebooted'

expect_status 1 be_born vmm panic </dev/null
expect_text 'Kernel panic'
expect_text 'guest crashed: its kernel panicked'
