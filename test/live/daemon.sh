#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: cards
# init: systemd
# guest: small
# timeout: 400
# usherd as './dev install' leaves it, on a host with systemd, polkitd, logind and systemd-machined. A user of
# the group vfio borrows a disk and drives it while another one is refused; the lease is revoked in
# mid-I/O, and the daemon is killed meanwhile. The same user runs a guest with the disk. Saved guests run in units of their own. The host does not
# sleep while a device is lent, or a guest leaves first.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"
. "${0%/*}/daemon_host.sh"

for_anyone examples/nvme-read test/live/driver_gone
disk=$(nvme_address)
card=$(edu_address)
block=$(block_of "$disk")

cat >$rules/60-usher.rules <<'END'
polkit.addRule(function(action, subject) {
	var guest = action.id == "org.usher.Usher1.start" && action.lookup("guest") == "day";
	if ((guest || action.id == "org.freedesktop.login1.suspend") && subject.user == "alice") {
		return polkit.Result.YES;
	}
});
END

# has_property DRIVER: usherd has it as that of the disk; a condition for wait_until.
has_property() {
	busctl get-property org.usher.Usher1 \
		"/org/usher/Usher1/device/$(echo "$disk" | sed 's/^./_3&/; s/:/_3a/g; s/\./_2e/g')" \
		org.usher.Usher1.Device Driver | grep -qx "s \"$1\""
}

# knows KIND NAME…: usherd has exactly these objects.
knows() {
	busctl --list tree org.usher.Usher1 | sed -n "s#^/org/usher/Usher1/$1/##p" | tr '\n' ' ' >"$work/known"
	shift
	[ "$(cat "$work/known")" = "${*:+$* }" ]
}

modprobe -q kvm_amd
usher monitor >"$work/events" 2>&1 &

# --- Leases --------------------------------------------------------------------------------------

# The bus starts usherd, whose unit has the modules loaded.
dd if="/dev/$block" of="$work/expected" bs=1M count=1 iflag=direct 2>/dev/null
as alice usher lease "$disk" -- "$work/build/examples/nvme-read" 0 2048 >"$work/read" 2>"$work/err" ||
	fail "alice has no lease: $(cat "$work/err")"
cmp "$work/expected" "$work/read" || fail 'alice has read something else'
systemctl is-active --quiet usherd.service || fail 'usherd does not run as a unit'
expect_back "$disk"
expect_status 125 as bob usher lease "$disk" -- true
expect_text "usher: lease $disk: polkit wants a password, and may not ask"
expect_status 125 as alice usher lease "$card" -- true
expect_text "usher: lease $card: polkit wants a password, and may not ask"

# borrow [stay]: alice's driver reads for ever; sets $client, $lease, $keeper.
borrow() {
	as alice usher lease "$disk" -- sh -c \
		"ulimit -l >$work/limit; exec $work/build/test/live/driver_gone inherit $*" \
		>"$work/gone" 2>&1 </dev/null &
	client=$!
	wait_until 40 grep -q 'reads go on' "$work/gone"
	lease=$(ls /run/usher/lease)
	keeper=$(cat "/run/usher/lease/$lease/keeper")
}
: >"$work/limit"
chmod 666 "$work/limit"

borrow
expect_equal 'the memory that alice may lock' 1048576 "$(cat "$work/limit")"
wait_until 20 in_unit "$keeper" "usher-lease-$lease.scope"
wait_until 20 has_property vfio-pci
expect_status 125 as bob usher lease "$disk" -- true
expect_text 'polkit wants a password'
expect_status 3 as alice usher lease "$disk" --key more
expect_text "lent to lease '$lease'"
expect_status 1 as bob usher revoke "$lease"
expect_text 'polkit'

# usherd is killed: systemd starts it again, it finds the lease, and nothing else has noticed.
before=$(systemctl show --property=MainPID --value usherd.service)
expect_ok systemctl kill --signal=KILL usherd.service
is_new() {
	now=$(systemctl show --property=MainPID --value usherd.service)
	[ "$now" != 0 ] && [ "$now" != "$before" ]
}
wait_until 20 is_new
wait_until 20 knows lease "$(echo "$lease" | sed 's/-/_2d/g')"
in_unit "$keeper" "usher-lease-$lease.scope" || fail "the keeper is in $(cat "/proc/$keeper/cgroup")"
kill -0 $client || fail 'the borrower has noticed the end of usherd'

# Revoked in mid-I/O, from a driver that lets go, and from one that does not.
expect_ok usher revoke --timeout 10 "$lease"
wait $client
expect_equal 'the driver that lets go' 0 $?
grep -q 'asked for, all reads come to their end' "$work/gone" || fail "the driver: $(cat "$work/gone")"
expect_back "$disk"
wait_until 20 has_property nvme
borrow stay
expect_ok usher revoke --timeout 1 "$lease"
wait $client
expect_equal 'the driver that stays' 137 $?
expect_back "$disk"

# A job is over when the bus has what it has changed.
dbus-monitor --system "type='signal',sender='org.usher.Usher1'" >>"$work/signals" &
listener=$!
wait_for_line 20 "$work/signals" NameAcquired
for method in Bind Release; do
	expect_ok busctl call org.usher.Usher1 /org/usher/Usher1 org.usher.Usher1.Manager $method 'asa{sv}' 1 "$disk" 0
	wait_for_line 20 "$work/signals" member=JobDone
	sed -n '/"Driver"/p; /member=JobDone/p' "$work/signals" | tail -n 1 | grep -q JobDone &&
		sed '/member=JobDone/q' "$work/signals" | grep -q '"Driver"' ||
		fail "$method: signals: $(cat "$work/signals")"
	: >"$work/signals"
done
kill $listener
expect_back "$disk"

# --- Guests --------------------------------------------------------------------------------------

# own_guest USER: a guest of that user's own, with a disk that usherd lends, reads it and ends.
own_guest() {
	as "$1" XDG_RUNTIME_DIR="$work/$1" usher run --kernel "$work/kernel" --initrd "$work/initrd" \
		--cmdline "$boot_words usher.do=checksum" --memory 128M --no-defaults --device "$disk" \
		</dev/null 2>"$work/keeper"
}
sum=$(disk_checksum "$block")
cp "$kernel" "$work/kernel"
cp "$initrd" "$work/initrd"
chmod 644 "$work/kernel" "$work/initrd"
chmod 666 /dev/kvm
for user in alice bob; do
	mkdir -m 700 "$work/$user"
	chown $user "$work/$user"
done
be_born own_guest alice >"$work/console" || fail "the guest of alice"
grep -q "^guest: nvme0n1 $sum" "$work/console" || fail 'the guest of alice has read something else'
expect_back "$disk"
expect_status 125 own_guest bob
grep -q 'polkit wants a password' "$work/keeper" || fail 'bob is refused otherwise'
expect_driver "$disk" nvme

# save NAME [OPTION…]: saves a guest that has the disk, and sleeps.
save() {
	expect_ok usher run --kernel "$top/build/test/guest/drive" --cmdline idle --memory 32M --no-defaults \
		--device "$disk" --save "$@"
}
save night
save day --on-sleep=release

# is_machine NAME: a condition for wait_until.
is_machine() {
	machinectl list --no-legend | grep -q "^$1 *vm *usher "
}

expect_ok systemctl start usher-guest@night.service
keeper=$(cat /run/usher/vm/night/keeper)
in_unit "$keeper" usher-guest@night.service || fail "the keeper is in $(cat "/proc/$keeper/cgroup")"
wait_until 20 is_machine night
knows guest night || fail "usherd has the guests $(cat "$work/known")"
expect_status 3 as alice usher lease "$disk" -- true
expect_text "lent to VM 'night'"

# --- Sleep: the kernel goes as far as to stop all processes, and wakes by itself ------------------

echo freezer >/sys/power/pm_test
echo 1 >/sys/module/suspend/parameters/pm_test_delay
at_exit 'echo none >/sys/power/pm_test'

slept() {
	[ "$(cat /sys/power/suspend_stats/success)" = "$1" ] && ! systemctl is-active --quiet sleep.target
}

expect_status 1 systemctl suspend --check-inhibitors=yes
expect_text "guest 'night' has $disk"
expect_status 1 as alice systemctl suspend
expect_ok usher stop --force night
expect_back "$disk"
slept 0 || fail 'the host has slept'

# A guest that is to be released is stopped, and the host sleeps then.
expect_ok as alice usher start day
keeper=$(cat /run/usher/vm/day/keeper)
wait_until 20 in_unit "$keeper" usher-guest-day.scope
wait_until 20 is_machine day
expect_ok systemd-inhibit --list
expect_text "guest 'day' has $disk"
expect_ok as alice systemctl suspend
wait_until 40 slept 1
expect_back "$disk"
wait_until 20 knows guest

# root does not ask: lease and borrower sleep, wake, and go on.
borrow
expect_status 1 as alice systemctl suspend
expect_ok systemctl suspend
wait_until 40 slept 2
in_unit "$keeper" "usher-lease-$lease.scope" || fail "the keeper is in $(cat "/proc/$keeper/cgroup")"
wait_until 20 knows lease "$(echo "$lease" | sed 's/-/_2d/g')"
expect_ok usher revoke --timeout 10 "$lease"
wait $client
expect_equal 'the driver that has slept' 0 $?
expect_back "$disk"

# --- What was seen of all that -------------------------------------------------------------------

# saw TEXT: 'usher monitor' has said that.
saw() {
	grep -qF -e "$1" "$work/events" || fail "'usher monitor' does not say '$1': $(cat "$work/events")"
}
saw "driver    $disk nvme -> no driver"
saw "driver    $disk no driver -> vfio-pci"
saw "lease     $lease running, user 4001: $disk"
saw "lease     $lease ended"
saw 'guest     night running, engine usher'
saw 'guest     day ended'
for reason in owner-ended:2 revoked:3; do
	expect_equal "leases with the end $reason" "${reason#*:}" \
		"$(grep -c "\"reason\":\"${reason%:*}\"" /var/log/usher/leases)"
done
expect_equal 'what usherd complains of' '' "$(journalctl --quiet --output=cat --unit=usherd.service --grep='^usherd:')"
