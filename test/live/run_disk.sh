#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# timeout: 240
# An NVMe disk goes into a guest of usher-vmm, is read there, and comes back. Then the same as a saved
# guest in the background: what it says to those who look, its power button, and the way back.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
block=$(block_of "$disk")
before=$(disk_checksum "$block")

expect_ok guest checksum --device "$disk" --timing
expect_text "guest: nvme0n1 $before"
expect_text "$disk: nvme -> vfio-pci"
expect_text "$disk: vfio-pci -> nvme"
expect_driver "$disk" nvme
expect_override "$disk" none
wait_until 20 test -b "/dev/$block"
expect_equal 'the disk afterwards' "$before" "$(disk_checksum "$block")"
expect_equal 'the journal' '' "$(ls /run/usher/journal)"

# Once more: a device that was lent once can be lent again.
expect_ok guest checksum --device "$disk" --quiet
expect_text "guest: nvme0n1 $before"
expect_no_text 'vfio-pci ->'

# In the background. The guest powers off when somebody has typed a line, and pressed its button.
guest_script "$(modprobe --show-depends button | sed -n 's/^insmod \([^ ]*\).*/\1/p')" <<'END'
insmod /button.ko
presses=/sys/bus/acpi/devices/PNP0C0C:00/power/wakeup_active_count
echo "guest: listens, $(cat $presses) presses"
read word
echo "guest: heard $word"
while [ "$(cat $presses)" = 0 ]; do sleep 1; done
echo 'guest: its button was pressed'
poweroff -f
END
# expect_line PATTERN: a line of the last command's output matches.
expect_line() {
	grep -q -- "$1" "$work/out" || fail_with_output "no line is like '$1'"
}
box_listens() {
	usher console --history box >"$work/box" 2>/dev/null || return 0
	grep -q 'guest: listens\|Kernel panic' "$work/box"
}
start_box() {
	expect_ok usher start box
	expect_text "'usher console box' shows its console"
	wait_until 120 box_listens
}
at_exit 'usher stop --force --quiet box 2>/dev/null'
# A guest by its file is the guest of the command line.
set -- --name box --kernel "$kernel" --initrd "$initrd" --device "$disk" \
	--cmdline 'console=ttyS0 quiet panic=-1 usher.do=script'
expect_ok usher run "$@" --plan --json
mv "$work/out" "$work/direct"
expect_ok usher run "$@" --save box
at_exit 'rm -f /etc/usher/guests/box'
expect_ok usher run /etc/usher/guests/box --plan --json
cmp "$work/direct" "$work/out" || fail "by a file: $(cat "$work/out")"
expect_ok usher ps --all
expect_line '^box  *saved'
echo 'memory = 4096M' >>/etc/usher/guests/box
expect_status 2 usher start box
expect_text "/etc/usher/guests/box:"
sed -i '$d' /etc/usher/guests/box
start_box
while stillborn "$work/box"; do start_box; done
expect_driver "$disk" vfio-pci
expect_ok usher ps
expect_line "^box  *running  *usher .* 512M  *$disk\$"
expect_ok usher ps --json
expect_text '"detached": true'
expect_ok usher stat box
expect_line '^exits.total  *[1-9]'
expect_line "^devices.$disk.config_reads  *[1-9]"
expect_ok usher control box pause
expect_ok usher ps
expect_line '^box  *paused'
expect_status 1 usher stop box
expect_text 'is paused, and does not see its power button'
expect_ok usher control box resume
# One looks, another types and looks on.
usher console --read-only box >"$work/looks" 2>&1 &
looks=$!
echo word | usher console box >"$work/types" 2>&1 &
types=$!
wait_until 60 grep -q 'guest: heard word' "$work/looks"
expect_ok usher stop --timeout 40 box
grep -q "guest 'box' ended with status 0" "$work/err" || fail "$(cat "$work/err" "$work/looks")"
wait $looks $types
for file in looks types; do
	grep -q 'guest: its button was pressed' "$work/$file" || fail "$file: $(cat "$work/$file")"
done
expect_driver "$disk" nvme
expect_override "$disk" none
expect_equal 'the journal' '' "$(ls /run/usher/journal)"
grep -q 'box: guest powered off$' /run/usher/log/box || fail "the log: $(cat /run/usher/log/box)"
expect_ok usher ps
expect_text 'no guest runs'
