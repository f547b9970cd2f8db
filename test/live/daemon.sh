#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# timeout: 420
# usherd under systemd, with polkitd: a user of the group vfio borrows a disk and drives it, another
# one is refused, the lease is revoked in mid-I/O, and the daemon is killed meanwhile. The keeper is in
# a unit of its own. The borrower's limit of locked memory is raised for that time.
. "${0%/*}/lib.sh"

[ -x /lib/systemd/systemd ] && [ -x /usr/lib/polkit-1/polkitd ] || skip 'systemd or polkitd is not installed'
for_anyone src/cli/usher src/cli/usher-whole test/live/driver_nvme test/live/driver_gone
programs=$work/build/test/live
disk=$(nvme_address)
block=$(block_of "$disk")
# A service may load no module: the unit wants one that does.
modprobe -a vfio-pci vfio_iommu_type1 || fail 'no vfio-pci'
other=$(edu_address)
install=$top/src/daemon/install
units=/run/lab-units
rm -f /var/log/usher/leases

# Users: alice is a member of vfio, bob is not.
cat >>/etc/passwd <<'END'
alice:x:4001:4001::/:/bin/sh
bob:x:4002:4002::/:/bin/sh
END
sed -i '/^vfio:/d' /etc/group
printf 'alice:x:4001:\nbob:x:4002:\nvfio:x:4000:alice\n' >>/etc/group
cp "$install/org.usher.Usher1.conf" /etc/dbus-1/system.d/
cp "$install/org.usher.Usher1.policy" /usr/share/polkit-1/actions/
mkdir -p /etc/polkit-1/rules.d /usr/share/dbus-1/system-services
cp "$install/usher.rules" /etc/polkit-1/rules.d/50-usher.rules
cp "$install/org.usher.Usher1.service" /usr/share/dbus-1/system-services/

cat >/etc/polkit-1/rules.d/60-test.rules <<'END'
polkit.addRule(function(action, subject) {
	if ((action.id == "org.usher.Usher1.start" || action.id == "org.usher.Usher1.stop") &&
	    action.lookup("guest") == "web" && subject.user == "alice") {
		return polkit.Result.YES;
	}
});
END
cp "$(cat /run/lab/kernel)" "$work/kernel"
cp "$(cat /run/lab/initrd)" "$work/initrd"
modprobe kvm_amd
expect_ok usher run --kernel "$work/kernel" --initrd "$work/initrd" --memory 256M --no-defaults \
	--cmdline 'console=ttyS0 quiet panic=-1 usher.do=sleep' --save web

# As few units as the daemon needs: nothing of this host is started.
mkdir -p "$units"
for target in sysinit basic sockets shutdown; do
	printf '[Unit]\nDefaultDependencies=no\n' >"$units/$target.target"
done
printf '[Unit]\nDefaultDependencies=no\nWants=dbus.socket dbus.service polkit.service\n' >"$units/lab.target"
for unit in dbus.socket dbus.service polkit.service; do
	cp "/lib/systemd/system/$unit" "$units/" || skip "this host has no $unit"
done
sed "s#^ExecStart=[^ ]*#ExecStart=$top/build/src/daemon/usherd --usher $top/build/src/cli/usher#
	s#^Type=notify#&\nStandardError=append:$work/usherd.log#; /modprobe@/d" \
	"$top/build/src/daemon/usherd.service" >"$units/usherd.service"

# systemd is process 1 of a namespace.
cat >"$work/boot" <<END
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p "$units" /run/dbus /run/udev && mount --move "$work/units" "$units"
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env container=lab SYSTEMD_UNIT_PATH="$units" /lib/systemd/systemd --system --unit=lab.target \
	--log-target=console --show-status=no --default-standard-output=null
END
mkdir "$work/units"
mount -t tmpfs tmpfs "$work/units"
cp "$units"/* "$work/units/"
unshare --pid --fork --mount --propagation private --cgroup sh "$work/boot" >"$work/systemd" 2>&1 </dev/null &
outer=$!
init=
at_exit 'kill -9 $init $outer; cat "$work/systemd" "$work/usherd.log"; umount "$work/units"' '2>/dev/null'
find_init() {
	init=$(pgrep -P "$outer") && [ -n "$init" ]
}
wait_until 20 find_init

# inside COMMAND…: as a process of that systemd's.
inside() {
	nsenter --target "$init" --mount --pid --cgroup -- "$@"
}

# as USER COMMAND…
as() {
	user_=$1
	shift
	inside setpriv --reuid "$user_" --regid "$user_" --init-groups env PATH="$work/build/src/cli:$PATH" "$@"
}

wait_until 60 inside test -S /run/dbus/system_bus_socket
wait_until 60 inside systemctl is-active --quiet polkit.service

# The bus starts the daemon. alice drives the disk; bob may not, and neither may she have more.
dd if="/dev/$block" of="$work/disk" bs=1M count=8 iflag=direct 2>/dev/null
chmod 666 "$work/disk"
expect_ok as alice usher lease "$disk" -- "$programs/driver_nvme" "$work/disk"
expect_text 'nvme, by interrupts'
expect_no_text FAILED
expect_driver "$disk" nvme
inside systemctl is-active --quiet usherd.service || fail 'usherd does not run'
expect_status 125 as bob usher lease "$disk" -- true
expect_text 'polkit'
expect_status 125 as alice usher lease "$other" -- true
expect_status 1 as alice usher bind "$disk"
expect_text 'polkit'
expect_driver "$disk" nvme

# Revoked in mid-I/O, by a driver that lets go and by one that does not; the daemon is killed in
# between, and the bus starts another one.
chmod 777 "$work/build"
for how in '' stay; do
	as alice usher lease "$disk" -- sh -c "ulimit -l >$work/build/limit; exec $programs/driver_gone inherit $how" \
		>"$work/gone" 2>&1 </dev/null &
	client=$!
	wait_until 40 grep -q 'reads go on' "$work/gone"
	expect_ok inside usher leases --json
	lease=$(sed -n 's/.*"lease": "\(.*\)",/\1/p' "$work/out")
	keeper=$(sed -n 's/.*"keeper": \(.*\),/\1/p' "$work/out")
	owner=$(sed -n 's/.*"owner": \(.*\),/\1/p' "$work/out")
	expect_equal 'the locked memory that alice may have' 1048576 "$(cat "$work/build/limit")"
	inside cat "/proc/$keeper/cgroup" | grep -q "usher-lease-.*\.scope" ||
		fail "the keeper is in $(inside cat "/proc/$keeper/cgroup")"
	inside systemctl kill --signal=KILL usherd.service
	expect_status 1 as bob usher revoke "$lease"
	expect_text 'polkit'
	inside systemctl kill --signal=KILL usherd.service
	expect_ok inside busctl --json=short call org.usher.Usher1 /org/usher/Usher1 org.usher.Usher1.Manager \
		Revoke 'sa{sv}' "$lease" 1 timeout t 5
	wait $client
	status=$?
	cat "$work/gone"
	[ -z "$how" ] || expect_equal 'the end of who stays' 137 $status
	wait_until 60 has_driver "$disk" nvme
	wait_until 20 test -b "/dev/$block"
	dd if="/dev/$block" of=/dev/null bs=1M count=1 iflag=direct 2>/dev/null || fail 'no read'
done

# The whole daemon is stopped: the lease of a key is there still, and another daemon knows it.
expect_ok as alice usher lease "$disk" --key tests --for 1h
expect_ok inside systemctl stop usherd.service
expect_ok inside usher leases --json
expect_text '"state": "running"'
expect_ok as alice usher lease "$disk" --key tests -- "$programs/driver_nvme" "$work/disk"
expect_text 'nvme, by interrupts'
expect_ok as alice usher lease --end --key tests
expect_driver "$disk" nvme

# A guest that root has saved: it runs outside of what confines the daemon, in a scope of its own.
expect_status 1 as bob usher stop web
expect_ok as alice usher start web
guest_is_in_scope() {
	inside sh -c 'cat /proc/$(cat /run/usher/vm/web/keeper)/cgroup' | grep -q 'usher-guest-web\.scope'
}
wait_until 30 guest_is_in_scope
expect_status 1 as bob usher stop web
expect_text 'polkit'
inside systemctl kill --signal=KILL usherd.service
expect_ok as alice usher stop --force web
wait_until 20 inside test ! -e /run/usher/vm/web
expect_equal 'leases' '' "$(inside ls /run/usher/lease)"
expect_equal 'journal' '' "$(inside ls /run/usher/journal)"
cat /var/log/usher/leases
