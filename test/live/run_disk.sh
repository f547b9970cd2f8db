#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# An NVMe disk goes into a guest of usher-vmm, is read there, and comes back. Then the same in the
# background: what the guest says to those who look, its power button, and the way back.
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
set --
for module in evdev button; do
	for file in $(modprobe --show-depends $module | sed -n 's/^insmod //p'); do
		set -- "$@" "$file"
	done
done
guest_script "$@" <<'END'
insmod /evdev.ko
insmod /button.ko
echo 'guest: listens'
read word
echo "guest: heard $word"
dd if=/dev/input/event0 of=/dev/null bs=24 count=1 2>/dev/null
echo 'guest: its button was pressed'
sleep 1
poweroff -f
END
box_listens() {
	usher console --history box >"$work/box" 2>/dev/null || return 0
	grep -q 'guest: listens\|Kernel panic' "$work/box"
}
start_box() {
	expect_ok usher run --detach --name box --kernel "$kernel" --initrd "$initrd" --device "$disk" \
		--cmdline 'console=ttyS0 quiet panic=-1 usher.do=script'
	expect_text "'usher console box' shows its console"
	wait_until 120 box_listens
}
start_box
while stillborn "$work/box"; do start_box; done
expect_driver "$disk" vfio-pci
expect_ok usher ps
expect_text "^box  *running  *usher .* 512M  *$disk\$"
expect_ok usher ps --json
expect_text '"detached": true'
expect_ok usher stat box
expect_text '^exits.total  *[1-9]'
expect_text "^devices.$disk.config_reads  *[1-9]"
expect_ok usher control box pause
expect_ok usher ps
expect_text '^box  *paused'
expect_status 1 usher stop box
expect_text 'is paused, and does not see its power button'
expect_ok usher control box resume
# One looks, another types and looks on.
usher console --read-only box >"$work/looks" 2>&1 &
looks=$!
echo word | usher console box >"$work/types" 2>&1 &
types=$!
wait_until 60 grep -q 'guest: heard word' "$work/looks"
expect_ok usher stop --timeout 100 box
expect_text "guest 'box' ended with status 0"
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
