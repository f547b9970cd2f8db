#!/bin/sh
# SPDX-License-Identifier: MIT
# usher finds every way in which a host uses a disk, and no longer reports one that has ended.
# topology: minimal
# timeout: 300
. "${0%/*}/lib.sh"

disk=$(nvme_address)
name=$(block_of "$disk")

is_free() {
	expect_ok usher list -n --json "$disk"
	expect_text '"state": "free"'
}

is_busy() {
	expect_ok usher list -n --json "$disk"
	expect_text '"state": "busy"'
	expect_text "\"object\": \"$2\""
	expect_text "$1"
	expect_status 3 usher bind --dry-run "$disk"
	expect_text '[block]'
}

at_exit "wipefs -qa /dev/$name; blockdev --rereadpt /dev/$name"
is_free

# A partition that is mounted.
# Write an MBR by hand, because not every machine has an fdisk: type 83, 16 MiB from sectors 0x800
# and 0x8800.
{
	head -c 446 /dev/zero
	printf '\0\0\0\0\203\0\0\0\000\010\0\0\000\200\0\0'
	printf '\0\0\0\0\203\0\0\0\000\210\0\0\000\200\0\0'
	head -c 32 /dev/zero
	printf '\125\252'
} | dd of="/dev/$name" bs=512 count=1 iflag=fullblock conv=fsync 2>/dev/null
blockdev --rereadpt "/dev/$name" || fail "no partitions"
wait_until 5 test -e "/dev/${name}p2"
is_free
mkfs.ext4 -q "/dev/${name}p1"
mkdir "$work/mnt" "$work/mnt2"
mount "/dev/${name}p1" "$work/mnt" || fail "no mount"
at_exit "umount $work/mnt 2>/dev/null"
is_busy "mounted at $work/mnt" "${name}p1"
expect_no_text 'cannot be told'
umount "$work/mnt"
is_free

# Mounted where the host needs it: no --allow skips that check.
mkdir -p /boot/efi
mount "/dev/${name}p1" /boot/efi || fail "no mount at /boot/efi"
at_exit "umount /boot/efi 2>/dev/null"
is_busy 'mounted at /boot/efi' "${name}p1"
expect_status 3 usher bind --dry-run --allow=block "$disk"
umount /boot/efi

# Below a loop device, which claims no disk and is no holder in sysfs: by mount, and by losetup.
modprobe -q loop
loop_is_gone() { [ ! -e "/sys/block/${loop#/dev/}/loop" ]; }
mkfs.ext4 -q "/dev/${name}p2"
is_free
mount -o loop "/dev/${name}p2" "$work/mnt" || fail "no mount over a loop device"
loop=$(grep " $work/mnt " /proc/mounts | cut -d ' ' -f 1)
is_busy "below ${loop#/dev/}, mounted at $work/mnt" "${name}p2"
umount "$work/mnt"
wait_until 60 loop_is_gone
is_free
loop=$(losetup -f --show "/dev/$name") || fail "no loop device over the disk"
at_exit "losetup -d $loop 2>/dev/null"
is_busy "below ${loop#/dev/}" "$name"
expect_status 3 usher bind "$disk"
expect_text "below ${loop#/dev/}"
expect_driver "$disk" nvme
expect_ok usher snapshot "$work/report.host"
expect_ok usher list -n --json --host "$work/report.host" "$disk"
expect_text "below ${loop#/dev/}"
losetup -d "$loop"
wait_until 60 loop_is_gone
is_free

# Swap space.
mkswap -q "/dev/${name}p2"
swapon "/dev/${name}p2" || fail "no swap"
at_exit "swapoff /dev/${name}p2 2>/dev/null"
is_busy 'swap space' "${name}p2"
expect_status 3 usher bind --dry-run --allow=block "$disk"
expect_text 'no --allow skips this check'
swapoff "/dev/${name}p2"
is_free

# An LVM volume, and a file system on it. There may be no udevd that LVM could wait for.
export DM_DISABLE_UDEV=1
modprobe -q dm-mod
lvm() {
	LVM_SUPPRESS_FD_WARNINGS=1 command lvm "$@" --config 'devices { scan = "/dev" use_devicesfile = 0 } activation { udev_sync = 0 udev_rules = 0 }' \
		>"$work/out" 2>"$work/err" || { command="lvm $*"; fail_with_output 'lvm failed'; }
}
wipefs -qa "/dev/${name}p1"
lvm pvcreate -q "/dev/${name}p1"
lvm vgcreate -q usher-test "/dev/${name}p1"
at_exit "vgremove -qfy usher-test >/dev/null 2>&1"
is_free
lvm lvcreate -q -y -Z n -W n -L 8M -n root usher-test
is_busy '(usher--test-root)' "${name}p1"
mkfs.ext4 -q /dev/mapper/usher--test-root
mount /dev/mapper/usher--test-root "$work/mnt2" || fail "no mount of the volume"
at_exit "umount $work/mnt2 2>/dev/null"
is_busy "(usher--test-root), mounted at $work/mnt2" "${name}p1"
umount "$work/mnt2"
lvm vgchange -q -an usher-test
is_free
lvm vgremove -q -f -y usher-test
wipefs -qa "/dev/${name}p1"

# Half of a mirror, and a file system on it.
modprobe -q raid1
mdadm --create /dev/md/usher --run --level=1 --raid-devices=2 --metadata=1.2 --assume-clean \
	"/dev/${name}p1" missing >"$work/out" 2>"$work/err" || fail "no array: $(cat "$work/err")"
array=$(ls "/sys/class/block/${name}p1/holders")
at_exit "mdadm --stop /dev/$array 2>/dev/null"
is_busy "part of $array" "${name}p1"
expect_ok usher list -n --json "$disk"
mkfs.ext4 -q "/dev/$array"
mount "/dev/$array" "$work/mnt2" || fail "no mount of the array"
is_busy "part of $array, mounted at $work/mnt2" "${name}p1"
umount "$work/mnt2"
mdadm --stop "/dev/$array" >"$work/out" 2>&1 || fail "the array does not stop: $(cat "$work/out")"
is_free

# A process that reads the raw disk.
sleep 30 <"/dev/$name" &
reader=$!
at_exit "kill $reader 2>/dev/null"
wait_until 5 sh -c "ls -l /proc/$reader/fd | grep -q /dev/$name"
expect_ok usher list -n --json "$disk"
expect_text "open in sleep (pid $reader, root)"
kill $reader
wait $reader
is_free

# A process that reaches the disk without a descriptor in its leader's folder, which is empty after
# the leader's exit: memory and rings keep the file. The name of the node makes no difference.
numbers=$(cat "/sys/class/block/$name/dev")
mknod "$work/shelf" b "${numbers%:*}" "${numbers#*:}"
reach() { # MODE FILE
	rm -f "$work/held"
	"$top/build/test/live/hold_reach" "$1" "$2" >"$work/held" 2>&1 &
	reader=$!
	at_exit "kill -9 $reader 2>/dev/null"
	wait_until 20 grep -q held "$work/held"
}
let_go() {
	kill -9 $reader
	wait $reader 2>/dev/null
}
for file in "/dev/$name" "$work/shelf"; do
	for way in map:'mapped by' thread:'open in'; do
		reach "${way%%:*}" "$file"
		expect_status 3 usher bind --dry-run "$disk"
		expect_text "$name: ${way#*:} hold_reach (pid $reader, root)"
		let_go
	done
done
reach ring "/dev/$name"
expect_status 3 usher bind --dry-run "$disk"
expect_text "$name: registered with an io_uring of hold_reach (pid $reader, root)"
let_go
# A kernel that shows only the last component of a name: any file of that name counts as a disk.
reach ring "$work/shelf"
expect_status 3 usher bind --dry-run "$disk"
expect_text "hold_reach (pid $reader, root)"
let_go
is_free

# A process maps a BAR by its file in sysfs, which needs neither a node nor a driver.
card=$(e1000e_address)
echo "$card" >"$pci/$card/driver/unbind"
at_exit "[ -e $pci/$card/driver ] || echo $card >/sys/bus/pci/drivers/e1000e/bind"
expect_ok usher bind --dry-run "$card"
reach map "$pci/$card/resource0"
expect_status 3 usher bind --dry-run "$card"
expect_text "resource0: mapped by hold_reach (pid $reader, root)"
expect_ok usher snapshot "$work/report.host"
expect_ok usher show --host "$work/report.host" "$card"
expect_text "resource0: mapped by hold_reach (pid $reader, root)"
let_go
expect_ok usher bind --dry-run "$card"
echo "$card" >/sys/bus/pci/drivers/e1000e/bind

# The controller's node, and the generic one of the disk.
for node in "/dev/${name%n*}" "/dev/ng${name#nvme}"; do
	[ -e "$node" ] || continue
	sleep 30 <"$node" &
	reader=$!
	at_exit "kill $reader 2>/dev/null"
	wait_until 5 sh -c "ls -l /proc/$reader/fd | grep -q $node"
	expect_status 3 usher bind --dry-run "$disk"
	expect_text "${node#/dev/}: open in sleep (pid $reader, root)"
	kill $reader
	wait $reader
done
is_free

# A node in /dev with the disk's name, but of another device: whether the disk is in use is unknown.
# udev's link by number serves as well as a node.
modprobe -q loop
mv "/dev/$name" "$work/aside"
at_exit "[ ! -e $work/aside ] || mv -f $work/aside /dev/$name"
mknod "/dev/$name" b 7 0
is_unsure() {
	expect_ok usher list -n --json "$disk"
	expect_text '"state": "unsure"'
	expect_text 'whether it is in use cannot be told: no node in /dev has its number'
	expect_status 3 usher bind --dry-run "$disk"
}
is_unsure
rm "/dev/$name"
is_unsure
mkdir -p /dev/block
[ -e "/dev/block/$numbers" ] || at_exit "rm -f /dev/block/$numbers"
ln -sf "$work/aside" "/dev/block/$numbers"
is_free
mv "$work/aside" "/dev/$name"
is_free

# The kernel exports the disk, and then claims nothing: a namespace over a node of another name, and
# the whole controller. The fixtures of test/unit/hold have the other targets.
config=/sys/kernel/config
modprobe nvmet || fail "no nvmet"
[ -d $config/nvmet ] || mount -t configfs none $config || fail "no configfs"
subsystem=$config/nvmet/subsystems/usher-test
mkdir $subsystem $subsystem/namespaces/1 || fail "no subsystem"
at_exit "echo 0 >$subsystem/namespaces/1/enable; rmdir $subsystem/namespaces/1 $subsystem"
at_exit "[ ! -d $subsystem/passthru ] || echo 0 >$subsystem/passthru/enable"
printf %s "$work/shelf" >$subsystem/namespaces/1/device_path
is_free
echo 1 >$subsystem/namespaces/1/enable || fail "the disk is not exported"
is_busy 'exported by nvmet: subsystem usher-test, namespace 1' "$name"
expect_status 3 usher bind "$disk"
expect_driver "$disk" nvme
expect_ok usher bind --dry-run --allow=block "$disk"
expect_ok usher snapshot "$work/report.host"
expect_ok usher list -n --json --host "$work/report.host" "$disk"
expect_text 'exported by nvmet: subsystem usher-test, namespace 1'
echo 0 >$subsystem/namespaces/1/enable
is_free
if [ -d $subsystem/passthru ]; then
	printf %s "/dev/${name%n*}" >$subsystem/passthru/device_path
	echo 1 >$subsystem/passthru/enable || fail "the controller is not exported"
	is_busy 'exported by nvmet: subsystem usher-test, the whole controller' "${name%n*}"
	echo 0 >$subsystem/passthru/enable
	is_free
fi

# A btrfs on a volume has an anonymous device number, as has a file system in an image on it. Where
# the host needs either, no --allow skips the check.
modprobe -q btrfs || fail "no btrfs"
wipefs -qa "/dev/$name"
blockdev --rereadpt "/dev/$name"
echo "0 $(blockdev --getsz "/dev/$name") linear /dev/$name 0" | dmsetup create usher-btrfs ||
	fail "no volume"
at_exit "dmsetup remove usher-btrfs 2>/dev/null"
mkfs.btrfs -qfM /dev/mapper/usher-btrfs || fail "no btrfs"
mount /dev/mapper/usher-btrfs /boot/efi || fail "no mount of the btrfs"
is_busy '(usher-btrfs), mounted at /boot/efi' "$name"
expect_status 3 usher bind --dry-run --allow=block "$disk"
expect_text 'no --allow skips this check'
umount /boot/efi
mount /dev/mapper/usher-btrfs "$work/mnt" || fail "no mount of the btrfs"
expect_ok usher bind --dry-run --allow=block "$disk"
truncate -s 4M "$work/mnt/image"
mkfs.ext4 -q "$work/mnt/image"
mount -o loop "$work/mnt/image" /boot/efi || fail "no mount of the image"
is_busy 'mounted at /boot/efi' "$name"
expect_text 'has the image of loop'
expect_status 3 usher bind --dry-run --allow=block "$disk"
expect_text 'no --allow skips this check'
umount /boot/efi
expect_ok usher bind --dry-run --allow=block "$disk"
umount "$work/mnt"
dmsetup remove usher-btrfs
is_free

# An overlay is made of folders on the disk: where the host needs it, nothing lifts that.
mkfs.ext4 -qF "/dev/$name"
mount "/dev/$name" "$work/mnt" || fail "no mount"
mkdir "$work/mnt/low" "$work/mnt/up" "$work/mnt/work"
expect_ok usher bind --dry-run --allow=block "$disk"
mount -t overlay -o "lowerdir=$work/mnt/low,upperdir=$work/mnt/up,workdir=$work/mnt/work" usher-test \
	/boot/efi || fail "no overlay"
is_busy 'a layer of /boot/efi' "$name"
expect_status 3 usher bind --dry-run --allow=block "$disk"
expect_text 'no --allow skips this check'
umount /boot/efi

# A swap file holds the disk after its file system has left the tree.
dd if=/dev/zero of="$work/mnt/swap" bs=1M count=4 2>/dev/null
chmod 600 "$work/mnt/swap"
mkswap -q "$work/mnt/swap"
swapon "$work/mnt/swap" || fail "no swap file"
at_exit "swapoff $work/mnt/swap 2>/dev/null"
is_busy "swap file $work/mnt/swap" "$name"
expect_status 3 usher bind --dry-run --allow=block "$disk"
swapoff "$work/mnt/swap"
umount "$work/mnt"
is_free

# The root of this host lies on 9p, below an overlay and out of sight. The kernel would wait for it.
share=$(basename "$(dirname "$(readlink -f /sys/bus/virtio/drivers/9pnet_virtio/virtio*)")")
expect_ok usher list -n --json "$share"
expect_text '"state": "busy"'
expect_text '"object": "9p host"'
before=$(seconds_up)
expect_status 3 usher bind --allow=block "$share"
expect_text 'the root file system of this host may be on it'
expect_text 'no --allow skips this check'
expect_driver "$share" virtio-pci
[ $(($(seconds_up) - before)) -lt 20 ] || fail "the refusal took $(($(seconds_up) - before)) s"

# udev looks into a disk whose driver has just come: that is waited for, and a worker that does not
# end is told.
mkfifo "$work/end"
look() { # as a worker of udev looks into the disk, until somebody opens the pipe
	sh -c 'printf "(udev-worker)" >/proc/$$/comm; read -r _ <"$1"' sh "$work/end" <"/dev/$name" &
	worker=$!
	wait_until 5 grep -qx '(udev-worker)' /proc/$worker/comm
}
look
(sleep 1 && : >"$work/end") &
expect_ok usher bind --dry-run "$disk"
wait $worker
look
at_exit "kill $worker 2>/dev/null"
before=$(seconds_up)
expect_status 3 usher bind --dry-run "$disk"
expect_text "$name: open in (udev-worker) (pid $worker, root)"
[ $(($(seconds_up) - before)) -lt 20 ] || fail "usher waited for $(($(seconds_up) - before)) s"
# Neither who only looks waits, nor who lifts the check, nor who is told to end.
before=$(seconds_up)
expect_ok usher show -n "$disk"
expect_text "open in (udev-worker) (pid $worker, root)"
expect_ok usher bind --dry-run --allow=fd "$disk"
timeout -s INT 1 "$top/build/src/cli/usher" bind "$disk" 2>"$work/told"
grep -q "open in (udev-worker)" "$work/told" || fail "$(cat "$work/told")"
[ $(($(seconds_up) - before)) -lt 4 ] || fail "it took $(($(seconds_up) - before)) s"
kill $worker
is_free
