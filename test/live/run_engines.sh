#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# disk: debian
# timeout: 400
# One guest file for all three engines: the same Debian finds the same in its guest, writes the same, and
# ends with the same status. Its root is a block device that it only reads; it has an image, a network
# card and a lent disk besides. By QEMU it can have a TPM as well.
. "${0%/*}/lib.sh"
. "${0%/*}/virt.sh"

command -v libvirtd >/dev/null || skip 'libvirtd is not installed'
root=$(readlink -f /dev/image)
disk=$(nvme_address)
modprobe -a tun vfio-pci
ip tuntap add tap0 mode tap || fail 'the host makes no tap'
at_exit 'ip link del tap0'
ip link set tap0 up

cat >"$work/guest" <<END
[guest]
name = same
memory = 384M
cmdline = quiet init=/bin/busybox -- sh /dev/vdb

[disk]
file = $root
ro
serial = system

[disk]
file = data
serial = data

[net]
tap = tap0
mac = 52:54:00:12:34:56

[device]
device = $disk
id = 1b36:0010
END

# The guest's init is a shell that runs this from its second disk: busybox, which starts few programs. What
# an engine decides for itself is behind 'own': the names of the machine, how much memory its firmware
# keeps, where the devices are, and which features of virtio it knows.
cat >"$work/script" <<'END'
PATH=/usr/sbin:/usr/bin:/sbin:/bin
say() { echo "report: $*"; }
own() { echo "own: $*"; }
/sbin/modprobe -a nvme virtio_net virtio_rng tpm_crb
say "$(. /etc/os-release; echo "$ID $VERSION_ID"), Linux $(uname -rm), words $(cat /proc/cmdline)"
say "init is process $$, its words are $0 and $# more"
say "$(nproc) of $(sed -n 's/^model name.*: //p' /proc/cpuinfo | uniq), $(grep -c . /sys/devices/system/node/online) nodes"
for name in vda vdb; do
	say "$name, $(cat /sys/block/$name/serial): $(cat /sys/block/$name/size) sectors, ro $(cat /sys/block/$name/ro)"
done
n=0
until [ -e /dev/nvme0n1 ] || [ $((n += 1)) -gt 600 ]; do sleep 0.05; done
say "lent $(xargs </sys/class/nvme/nvme0/serial): $(dd if=/dev/nvme0n1 bs=1M count=8 iflag=direct 2>/dev/null | sha256sum)"
say "its interrupts: $(cat /sys/class/nvme/nvme0/device/msi_irqs/* | uniq -c | xargs)"
net=$(ls /sys/class/net | grep -v '^lo$')
ip link set $net up
n=0
until [ "$(cat /sys/class/net/$net/carrier)" = 1 ] || [ $((n += 1)) -gt 100 ]; do sleep 0.05; done
say "card $(cat /sys/class/net/$net/address /sys/class/net/$net/mtu /sys/class/net/$net/carrier | xargs)"
say "random numbers: $(cat /sys/class/misc/hw_random/rng_available | xargs), $(dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c) bytes"
say "virtio: $(cat /sys/bus/virtio/devices/*/device | sort | xargs)"
say "console: $(sed 's/ .*//' /proc/consoles | xargs)"
own "machine: $(cat /sys/class/dmi/id/sys_vendor 2>/dev/null)"
own "TPM: $(cat /sys/class/tpm/tpm0/tpm_version_major 2>/dev/null)"
own "memory: $(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
own "devices: $(ls /sys/bus/pci/devices | xargs)"
own "features: $(cat /sys/bus/virtio/devices/*/features | xargs)"
echo 'of the guest' | dd of=/dev/vdb bs=512 seek=512 conv=notrunc,fsync 2>/dev/null
exec /sbin/report
END

# run_by ENGINE: $work/ENGINE gets what the guest says.
run_by() {
	cp "$work/script" "$work/data"
	truncate -s 1M "$work/data"
	from=$(seconds_up)
	expect_ok usher run --engine="$1" "$work/guest" </dev/null
	echo "$1: $(($(seconds_up) - from)) s"
	tr -d '\r' <"$work/out" >"$work/console"
	grep '^own: ' "$work/console"
	grep '^report: ' "$work/console" >"$work/$1"
	expect_equal "what the guest wrote by $1" 'of the guest' \
		"$(dd if="$work/data" bs=512 skip=512 count=1 2>/dev/null | tr -d '\0')"
	expect_driver "$disk" nvme
	expect_override "$disk" none
}

same_as_usher() { # ENGINE
	cmp -s "$work/usher" "$work/$1" || fail "$1: $(diff "$work/usher" "$work/$1")"
}

run_by usher
expect_text 'report: init is process 1, its words are /dev/vdb and 0 more'
expect_text "report: lent lab-disk: $USHER_LAB_DISK_SHA256"
expect_text 'report: card 52:54:00:12:34:56 1500 1'
expect_text 'report: debian 12 root /dev/vda1 ro'
expect_equal 'lines of a report' 13 "$(wc -l <"$work/usher")"
expect_no_text 'own: machine: QEMU'
run_by qemu
expect_text 'own: machine: QEMU'
expect_no_text 'own: TPM: 2'
same_as_usher qemu

# swtpm is the guest's TPM. QEMU starts no ELF kernel beside one, so the guest gets the bzImage of its disk.
mkdir "$work/boot"
mount -o ro,noload "${root}1" "$work/boot" || fail 'the disk is not to be mounted'
cp "$work/boot"/boot/vmlinuz-* "$work/vmlinuz"
cp "$work/boot"/boot/initrd.img-* "$work/initrd"
umount "$work/boot"
cp "$work/script" "$work/data"
truncate -s 1M "$work/data"
expect_ok usher run --engine=qemu --tpm --kernel "$work/vmlinuz" --initrd "$work/initrd" --cmdline \
	'console=ttyS0 root=/dev/vda1 ro quiet init=/bin/busybox -- sh /dev/vdb' "$work/guest" </dev/null
expect_text 'own: TPM: 2'
rm -r /var/lib/usher/guest/same
write_settings
start_libvirtd
run_by libvirt
expect_text 'own: machine: QEMU'
same_as_usher libvirt
