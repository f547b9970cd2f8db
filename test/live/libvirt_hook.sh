#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# guest: small
# timeout: 480
# Domains of libvirt that were never told of usher: the hook takes their devices and returns them.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"
. "${0%/*}/virt.sh"

command -v libvirtd >/dev/null || skip 'libvirtd is not installed'
disk=$(nvme_address)
block=$(block_of "$disk")
nic=$(e1000_address)
edu=$(edu_address)
lan=$(e1000e_address)
hook=/etc/libvirt/hooks/qemu.d/usher
all_drivers >"$work/before"

# devices_are_back: on their drivers, with their overrides, and nothing in the journal.
devices_are_back() {
	all_drivers >"$work/after"
	cmp -s "$work/before" "$work/after" && [ -z "$(ls /run/usher/journal 2>/dev/null)" ]
}

expect_back() {
	devices_are_back || { diff "$work/before" "$work/after"; fail "$1: not all is back"; }
}

owner_is_qemu() {
	cat /run/usher/journal/* >"$work/entry"
	grep -q "^owner $qemu " "$work/entry" || fail "the owner is another one: $(cat "$work/entry")"
}

# The guest of vm1, which waits, reads the disk and powers itself off. It needs the processor for itself.
guest_reads_the_disk() {
	qemu=$(pidof qemu-system-x86_64)
	expect_ok virsh_ resume vm1
	wait_until 120 test ! -e "/proc/$qemu"
	wait_until 30 devices_are_back
	grep -q "guest: $block $before" "$work/console" ||
		fail "the guest reads something else: $(cat "$work/console")"
	expect_ok virsh_ domstate vm1
	expect_text 'shut off'
}

# hook_call DOMAIN OPERATION XML: as libvirt calls the hook. The caller, and so the owner, is this shell.
hook_call() {
	$hook "$1" "$2" begin - <"$3" &
	called=$!
	until_=$(($(seconds_up) + 20))
	until hook_has_ended; do
		[ "$(seconds_up)" -lt "$until_" ] || {
			echo 'the hook waits, perhaps for libvirt, which does not answer now' >&2
			kill -9 $called
		}
		sleep 0.1
	done
	wait $called
}

hook_has_ended() {
	! grep -qs '^State:.[^Z]' "/proc/$called/status"
}

write_settings
install_hook
# A second hook, behind usher's, which only writes down what it finds.
printf '#!/bin/sh\necho "$1 $2 $(basename "$(readlink %s/driver)")" >>%s\n' \
	"$pci/$disk" "$work/calls" >"${hook%/*}/zz"
chmod 755 "${hook%/*}/zz"
start_libvirtd

expect_ok domain vm1 checksum "$disk"
mv "$work/out" "$work/vm1.xml"
managed=no
expect_ok domain vm2 none "$disk"
mv "$work/out" "$work/vm2.xml"
managed=
expect_ok domain "it's a VM" none "$nic" "$lan"
mv "$work/out" "$work/odd.xml"
(kernel=/nowhere && domain bad sleep "$disk") >"$work/bad.xml"
expect_ok virsh_ "define $work/vm1.xml; define $work/vm2.xml; define $work/odd.xml; define $work/bad.xml"

# By hand, while libvirt does not answer: the hook asks it nothing. Each domain gets back its own devices
# alone, and all of them.
kill -STOP "$libvirtd"
expect_ok hook_call vm1 prepare "$work/vm1.xml"
expect_ok hook_call other prepare "$work/odd.xml"
expect_driver "$disk" vfio-pci
expect_driver "$nic" vfio-pci
expect_driver "$lan" vfio-pci
expect_ok hook_call other release /dev/null
expect_driver "$nic" e1000
expect_driver "$lan" e1000e
expect_driver "$disk" vfio-pci
expect_ok hook_call other release /dev/null
expect_ok hook_call other reconnect /dev/null
expect_ok hook_call vm1 release /dev/null
expect_back 'released'

# The hook is killed behind one of its changes; the first three are in the journal alone.
changes=4
while
	USHER_BIND_DIE=$changes $hook other prepare begin - <"$work/odd.xml" >/dev/null 2>&1
	[ $? -eq 137 ]
do
	expect_ok hook_call other release /dev/null
	expect_back "killed behind change $changes"
	changes=$((changes + 2))
done
expect_driver "$nic" vfio-pci
expect_ok hook_call other release /dev/null
expect_back "$changes changes"
[ $changes -gt 9 ] || fail "the hook makes fewer than $changes changes"

# A disk in use: libvirt shows usher's sentence, and the domain stays.
dd if="/dev/$block" of="$work/head" bs=1M count=5 2>/dev/null
mkfs.ext4 -q "/dev/$block" 4M
mount "/dev/$block" /mnt
expect_status 3 hook_call vm1 prepare "$work/vm1.xml"
expect_driver "$disk" nvme
kill -CONT "$libvirtd"
expect_status 1 virsh_ start vm1
expect_text "usher: $disk: $block: mounted at /mnt [block]"
expect_text 'hint: unmount it'
umount /mnt
dd if="$work/head" of="/dev/$block" bs=1M conv=fsync 2>/dev/null
expect_back 'refused'
expect_ok virsh_ domstate vm1
expect_text 'shut off'

# A start that fails when the hook has taken the disk.
expect_status 1 virsh_ start bad
expect_no_text 'Hook script execution failed'
expect_back 'a failed start'
expect_equal 'the calls for bad' "bad prepare vfio-pci bad release nvme" \
	"$(grep '^bad \(prepare\|release\)' "$work/calls" | xargs)"

# A hook that is killed when it has taken one group of two: libvirt calls it once more.
cp $hook "$work/hook"
sed -i '/^hook=/a [ "$2" != prepare ] || export USHER_BIND_DIE=6' $hook
expect_status 1 virsh_ start "it's a VM"
expect_text 'Hook script execution failed'
mv "$work/hook" $hook
expect_back 'a killed hook'

# A loan.
before=$(disk_checksum "$block")
expect_ok virsh_ start --paused vm1
expect_driver "$disk" vfio-pci
qemu=$(pidof qemu-system-x86_64)
expect_ok usher list
expect_text "lent to domain 'vm1' of libvirt (process $qemu)"
expect_ok usher show "$disk"
expect_text "domain 'vm1' of libvirt"
expect_status 3 usher release "$disk"
expect_text "lent to domain 'vm1' of libvirt (process $qemu)"
usher check >"$work/out" 2>"$work/err"
expect_text "domains 'bad' and 'vm1' both name it: only one of them can run"
expect_text "domains 'bad' and 'vm2' both name it: only one of them can run"
expect_text "domain 'it's a VM' names it, but not $edu of its IOMMU group"
expect_no_text 'usher did not lend it'
expect_status 1 virsh_ start vm2
expect_text "lent to domain 'vm1' of libvirt"
expect_driver "$disk" vfio-pci
guest_reads_the_disk

# Without the hook libvirt takes and returns the disk itself, and usher says afterwards what it saw.
mv $hook "$work/hook"
expect_ok virsh_ start --paused vm1
expect_driver "$disk" vfio-pci
expect_equal 'the journal' '' "$(ls /run/usher/journal)"
usher check >"$work/out" 2>"$work/err"
expect_text "domain 'vm1' runs with it, and usher did not lend it"
expect_status 3 usher bind "$disk"
expect_status 3 usher release "$disk"
guest_reads_the_disk
mv "$work/hook" $hook

# A domain whose devices libvirt does not manage; libvirtd ends, is killed, and comes back each time.
expect_ok virsh_ start --paused vm2
expect_driver "$disk" vfio-pci
qemu=$(pidof qemu-system-x86_64)
for signal_ in TERM KILL; do
	stop_libvirtd $signal_
	expect_ok usher restore
	expect_text 'left alone'
	expect_driver "$disk" vfio-pci
	owner_is_qemu
	start_libvirtd
	owner_is_qemu
done
expect_ok virsh_ destroy vm2
expect_back 'destroyed'

# Two groups, of one of which the domain names one device; its QEMU is killed.
expect_ok virsh_ start --paused "it's a VM"
expect_driver "$nic" vfio-pci
expect_driver "$edu" vfio-pci
expect_driver "$lan" vfio-pci
expect_ok usher list
expect_text "lent to domain 'it's a VM' of libvirt"
kill -9 "$(pidof qemu-system-x86_64)"
wait_until 30 devices_are_back

# libvirt dies between the hook and QEMU: the hook's caller, here a shell, is the owner, and ends.
sh -c '"$0" vm1 prepare begin - <"$1"; exit $?' $hook "$work/vm1.xml" || fail 'the hook refuses'
expect_driver "$disk" vfio-pci
expect_ok usher list
expect_text "was lent to domain 'vm1' of libvirt"
expect_ok hook_call other prepare "$work/odd.xml"
expect_driver "$disk" nvme
expect_driver "$nic" vfio-pci
expect_ok hook_call other release /dev/null
expect_back 'abandoned'

# What is no domain is refused, with one line, and takes nothing; reconnect never fails.
{ head -c 1M /dev/urandom; echo '<hostdev'; } >"$work/noise"
for operation_ in prepare started reconnect release start nonsense ''; do
	$hook 'a b' "$operation_" begin - <"$work/noise" >"$work/out" 2>"$work/err"
	status=$?
	case $operation_ in prepare) expected=1 ;; *) expected=0 ;; esac
	expect_equal "the status of '$operation_'" $expected $status
	[ ! -s "$work/out" ] || fail "libvirt reads the output of '$operation_' as an XML"
done
expect_back 'noise'
