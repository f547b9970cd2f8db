#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# usher binds whole groups to vfio-pci, and release restores their original state.
. "${0%/*}/lib.sh"

card=$(e1000e_address)
old=$(e1000_address)
edu=$(edu_address)
group=$(group_of "$card")
control=$(cat "$pci/$card/power/control")

# --dry-run prints what a bind then does, and changes nothing.
expect_ok usher bind "$card" --id 8086:10d3 --dry-run
expect_text "$card: e1000e -> vfio-pci (group $group)"
expect_text "write   $pci/$card/driver_override  vfio-pci"
expect_text "write   /sys/bus/pci/drivers/e1000e/unbind  $card"
expect_text "write   /sys/bus/pci/drivers/vfio-pci/bind  $card"
expect_driver "$card" e1000e
expect_override "$card" none

expect_ok usher bind "$card" --id 8086:10d3
expect_text "$card: e1000e -> vfio-pci (group $group)"
expect_driver "$card" vfio-pci
expect_equal 'the node' 'character special file 0:0' "$(stat -c '%F %u:%g' "/dev/vfio/$group")"
[ -e /sys/module/vfio_iommu_type1 ] || fail 'without vfio_iommu_type1 no container can be used'

# A second bind changes the node's owner only.
expect_ok usher bind "$card" --user 1000
expect_text "$card: is on vfio-pci already"
expect_ok sh -c 'exec usher bind "$0" --user 1000 <&- >&- 2>&-' "$card"
expect_equal 'the owner' 1000 "$(stat -c %u "/dev/vfio/$group")"

# It was bound manually, so only a manual release returns it.
expect_ok usher restore
expect_text 'left alone'
expect_driver "$card" vfio-pci
expect_ok usher release "$card" --dry-run
expect_driver "$card" vfio-pci
expect_ok usher release "$card"
expect_text "$card: vfio-pci -> e1000e"
expect_driver "$card" e1000e
expect_override "$card" none
expect_equal 'power/control' "$control" "$(cat "$pci/$card/power/control")"
expect_equal 'the journal' '' "$(ls /run/usher/journal)"
expect_equal 'the node' '' "$(ls /dev/vfio | grep -v vfio)"

# A group of a bridge and two devices, one of them without a driver.
before=$(for m in $(members_of "$(group_of "$edu")"); do driver_of "$m"; done)
expect_ok usher bind "$edu" --json
expect_text '"act": "stays"'
expect_document
expect_driver "$old" vfio-pci
expect_driver "$edu" vfio-pci
expect_ok usher release "$old" --json
expect_text '"to": "e1000"'
expect_document
expect_equal 'the drivers of the group' "$before" \
	"$(for m in $(members_of "$(group_of "$edu")"); do driver_of "$m"; done)"
expect_override "$old" none

# --only refuses while the sibling is on a driver of the host. The sibling itself can be bound
# alone.
expect_status 3 usher bind "$edu" --only
expect_text "$old: shares the group and is on e1000"
expect_ok usher bind "$old" --only
expect_driver "$edu" none
expect_ok usher release "$old" --return none
expect_driver "$old" none
expect_override "$old" none
echo "$old" >/sys/bus/pci/drivers_probe
expect_driver "$old" e1000

# --return vfio ends the loan and leaves the device on vfio-pci. restore still knows the first
# driver.
expect_ok usher bind "$card"
expect_ok usher release "$card" --return vfio
expect_driver "$card" vfio-pci
expect_ok usher restore --all --json
expect_text '"intent": "restore"'
expect_document
expect_driver "$card" e1000e

# A reader that ends first, such as `head`, ends neither release nor restore between two groups.
for verb in 'release' 'restore --all'; do
	expect_ok usher bind "$card" "$edu"
	(usher $verb "$card" "$edu"; echo $? >"$work/status") 2>&1 | :
	expect_equal "exit status of $verb" 1 "$(cat "$work/status")"
	expect_driver "$card" e1000e
	expect_driver "$old" e1000
	expect_equal "the journal after $verb" '' "$(ls /run/usher/journal)"
done

# Nor does one that reads nothing: all is back before the verb waits for it, and a signal ends that.
mkfifo "$work/stuck"
sleep 600 <>"$work/stuck" &
at_exit "kill $!"
dd if=/dev/zero of="$work/stuck" bs=64k count=16 oflag=nonblock 2>/dev/null
all_back() {
	[ "$(driver_of "$card")" = e1000e ] && [ "$(driver_of "$old")" = e1000 ] &&
		[ -z "$(ls /run/usher/journal)" ]
}
for verb in 'release' 'restore --all'; do
	expect_ok usher bind "$card" "$edu"
	usher $verb "$card" "$edu" >"$work/stuck" 2>&1 &
	verb_pid=$!
	wait_until 60 all_back
	kill -0 $verb_pid || fail "$verb has ended, though nobody read it"
	kill -TERM $verb_pid
	wait $verb_pid
done

# Remove a member and find it again: it gets its driver, so it is no longer lent, and the entry
# loses it. Now usher cannot reset the bus, because not all devices on it are in the group's hands.
# So the other member stays on vfio-pci.
expect_ok usher bind "$edu"
echo 1 >"$pci/$old/remove"
echo 1 >/sys/bus/pci/rescan
wait_until 20 has_driver "$old" e1000
expect_ok usher list
grep "^$old" "$work/out" | grep 'bound manually' && fail "$old counts as lent"
for i in 1 2; do
	expect_status 3 usher release "$edu"
	expect_text "$edu"
	expect_driver "$edu" vfio-pci
	expect_equal "the members of the entry" 'members 1' \
		"$(grep members "/run/usher/journal/$(group_of "$edu")")"
done
expect_ok usher release "$edu" --allow no-reset
expect_driver "$edu" none
expect_equal 'the journal' '' "$(ls /run/usher/journal)"

# A device that another tool has bound goes to the driver that matches it.
echo vfio-pci >"$pci/$card/driver_override"
echo "$card" >"$pci/$card/driver/unbind"
echo "$card" >/sys/bus/pci/drivers_probe
expect_driver "$card" vfio-pci
expect_ok usher release "$card"
expect_driver "$card" e1000e
expect_override "$card" none

# An override that existed before is there again afterwards.
echo e1000e >"$pci/$card/driver_override"
expect_ok usher bind "$card"
expect_override "$card" vfio-pci
expect_ok usher release "$card"
expect_override "$card" e1000e
echo >"$pci/$card/driver_override"

# No room in /run: nothing is taken without an entry, and what is taken comes back all the same.
mkdir -p /run/usher
mount -t tmpfs -o size=16k tmpfs /run/usher || fail 'no small /run/usher'
at_exit 'umount /run/usher'
expect_ok usher bind "$card"
dd if=/dev/zero of=/run/usher/fill bs=1k 2>/dev/null
expect_status 1 usher bind "$edu"
expect_text 'No space left on device'
expect_driver "$old" e1000
expect_override "$old" none
expect_ok usher release "$card"
expect_driver "$card" e1000e
expect_equal 'the journal' '' "$(ls /run/usher/journal)"

# The same when it is read-only. The entry stays, as an old one, until it can be removed.
rm /run/usher/fill
expect_ok usher bind "$card"
mount -o remount,ro /run/usher
expect_status 1 usher bind "$edu"
expect_text 'Read-only file system'
expect_driver "$old" e1000
expect_status 1 usher release "$card"
expect_text "$card: vfio-pci -> e1000e"
expect_text 'its devices are back'
expect_driver "$card" e1000e
expect_override "$card" none
mount -o remount,rw /run/usher
expect_ok usher restore --all
expect_equal 'the journal' '' "$(ls /run/usher/journal)"
