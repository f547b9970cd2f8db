# SPDX-License-Identifier: MIT
# For tests with libvirt. Sourced after lib.sh and guest.sh. libvirtd runs without systemd, D-Bus and
# udevd, as root, and without AppArmor.

libvirtd=

virsh_() {
	LC_ALL=C virsh -c qemu:///system "$@"
}

# install_hook: as meson installs it, with the program of the build.
install_hook() {
	mkdir -p "$work/libexec/usher" /etc/libvirt/hooks/qemu.d
	ln -s "$top/build/src/cli/libvirt-hook" "$work/libexec/usher/libvirt-hook"
	sed "s|@libexecdir@|$work/libexec|" "$top/src/libvirt/qemu.hook.in" >/etc/libvirt/hooks/qemu.d/usher
	chmod 755 /etc/libvirt/hooks/qemu.d/usher
	at_exit 'rm -r /etc/libvirt/hooks'
}

# The user must exist, though QEMU runs as root. The package with libvirt's units makes it.
write_settings() {
	if ! id libvirt-qemu >/dev/null 2>&1; then
		cp /etc/passwd "$work/passwd"
		cp /etc/group "$work/group"
		at_exit 'cp "$work/passwd" "$work/group" /etc/'
		echo 'libvirt-qemu:x:64055:64055::/nonexistent:/bin/false' >>/etc/passwd
		echo 'libvirt-qemu:x:64055:' >>/etc/group
	fi
	cat >/etc/libvirt/qemu.conf <<-END
		user = "root"
		group = "root"
		security_driver = "none"
		cgroup_controllers = [ ]
		namespaces = [ ]
		remember_owner = 0
		memory_backing_dir = "/tmp"
		stdio_handler = "file"
	END
	# libvirt would start this QEMU as well, to learn what it can.
	if [ -e /usr/bin/qemu-system-i386 ]; then
		mount --bind /dev/null /usr/bin/qemu-system-i386
		at_exit 'umount /usr/bin/qemu-system-i386'
	fi
	at_exit 'rm -rf /etc/libvirt/qemu.conf /etc/libvirt/qemu /run/libvirt'
	at_exit 'stop_libvirtd KILL'
}

# start_libvirtd: waits until it answers; the first start asks QEMU for its abilities.
start_libvirtd() {
	libvirtd --timeout 0 >>"$work/libvirtd" 2>&1 &
	libvirtd=$!
	wait_until 60 virsh_ version
}

# stop_libvirtd [SIGNAL]
stop_libvirtd() {
	[ -n "$libvirtd" ] || return 0
	kill "-${1:-TERM}" "$libvirtd"
	wait "$libvirtd" 2>/dev/null
	libvirtd=
}

# domain NAME WISH DEVICE…: prints the XML of a domain whose guest does that (lab/guest-init), with
# managed hostdevs, or what $managed says. The domain of the wish 'none' has no kernel, which QEMU takes
# seconds to load.
domain() {
	name_=$(echo "$1" | sed "s/'/\&apos;/g") wish_=$2 boot_= memory_=128
	shift 2
	[ "$wish_" = none ] || {
		boot_="<kernel>$kernel</kernel><initrd>$initrd</initrd>
		<cmdline>$boot_words usher.do=$wish_</cmdline>"
		memory_=256
	}
	cat <<-END
		<domain type='kvm'><name>$name_</name><memory unit='MiB'>$memory_</memory><vcpu>1</vcpu>
		<os><type arch='x86_64' machine='q35'>hvm</type>$boot_</os>
		<features><acpi/></features><cpu mode='host-passthrough'/>
		<on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot><on_crash>destroy</on_crash>
		<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
		<controller type='usb' model='none'/><memballoon model='none'/>
		<controller type='pci' index='0' model='pcie-root'/>
		<controller type='pci' model='pcie-root-port'/><controller type='pci' model='pcie-root-port'/>
		<serial type='file'><source path='$work/console'/></serial>
	END
	for device_; do
		bus_=${device_#*:}
		slot_=${bus_#*:}
		echo "<hostdev mode='subsystem' type='pci' managed='${managed:-yes}'><source><address" \
			"domain='0x${device_%%:*}' bus='0x${bus_%%:*}' slot='0x${slot_%.*}'" \
			"function='0x${slot_#*.}'/></source></hostdev>"
	done
	echo '</devices></domain>'
}
