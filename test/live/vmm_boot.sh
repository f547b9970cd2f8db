#!/bin/sh
# SPDX-License-Identifier: MIT
# timeout: 240
# usher-vmm alone, with the distribution's kernel: how a guest ends, what it sees, what it costs.
. "${0%/*}/lib.sh"

cmdline='console=ttyS0 quiet panic=-1'

# vmm WISH [OPTION…]: in a subshell, so that $! is usher-vmm itself.
vmm() (
	wish=$1
	shift
	exec "$top/build/test/live/vmm_send" usher-vmm --name t --memory 256M --kernel "$(cat /run/lab/kernel)" \
		--initrd "$(cat /run/lab/initrd)" --cmdline "$cmdline usher.do=$wish" "$@"
)

# Console input, two processors; the same boot shows what it cost.
ask() {
	echo 'busybox nproc | sed s/^/processors:/; sed s/^/interrupts:/ /proc/interrupts; exit'
}
for applet in nproc sed; do
	/bin/busybox --list | grep -qx $applet || skip "this busybox has no $applet"
done
mkfifo "$work/in"
vmm shell --cpus 2 --timing <"$work/in" >"$work/out" 2>"$work/err" &
vmm=$!
exec 8>"$work/in"
wait_until 90 grep -q 'guest: ready' "$work/out"

# What the process has beside the guest's memory. [KiB]
beside=$(awk '/^[0-9a-f]+-/ {size = 0} /^Size:/ {size = $2} /^Pss:/ && size < 262144 {sum += $2}
	END {print sum}' "/proc/$vmm/smaps")
echo "memory beside the guest's: $beside KiB"
[ "$beside" -le 6144 ] || fail "the VMM takes $beside KiB beside the guest's memory"

ask >&8
wait "$vmm" || fail_with_output "exit status $?"
command='usher-vmm, usher.do=shell'
expect_text 'processors:2'
expect_text 'guest powered off'
grep '^timing' "$work/err"
exits=$(sed -n 's/^timing: exits //p' "$work/err")
[ "$exits" -le 3000 ] || fail "$exits exits to user space"

expect_ok vmm reboot --no-reboot </dev/null
expect_text 'guest rebooted'

expect_status 1 vmm panic </dev/null
expect_text 'Kernel panic'
expect_text 'guest crashed: its kernel panicked'
