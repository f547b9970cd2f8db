#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# An ordinary user gets a device by descriptors alone, from a parent that is root: the group's, which
# is in no container or in one already, or the device's. It runs a guest with it, without any right.
# A limit of locked memory that is too low refuses the guest. Nor does a guest without devices need any.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

user=4321
disk=$(nvme_address)
content=$(disk_checksum "$(block_of "$disk")")
to_vfio "$disk"
for_anyone src/cli/usher src/cli/usher-whole src/vmm/usher-vmm
chmod 666 /dev/kvm
runtime=$work/runtime
mkdir -m 700 "$runtime"
chown $user "$runtime"
guest_script <<'END'
wait_for /dev/nvme0n1
echo "guest: $(dd if=/dev/nvme0n1 bs=1M count=8 iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)"
echo 'guest: ready'
read word
poweroff -f
END
cp "$kernel" "$work/kernel"
chmod 644 "$work/kernel" "$work/initrd"

# handed WHAT MEMLOCK [OPTION…]: usher run of that user, on the descriptors.
handed() {
	what_=$1 memlock_=$2
	shift 2
	XDG_RUNTIME_DIR=$runtime PATH=$work/build/src/cli:$work/build/src/vmm:$PATH \
		"$top/test/live/handed.py" "$what_" "$disk" "$(group_of "$disk")" "$memlock_" $user \
		usher run --name handed --kernel "$work/kernel" --initrd "$work/initrd" --memory 256M \
		--cmdline "$boot_words usher.do=script" "$@"
}
open_handed() {
	console=$work/console
	rm -f "$work/to_guest"
	mkfifo "$work/to_guest"
	{ handed "$@" <"$work/to_guest"; echo "usher ended: $?"; } >"$console" 2>&1 &
	exec 8>"$work/to_guest"
}

# The plan, and what refuses.
enough=$((512 << 20))
expect_ok handed group $enough --device "$disk,fd=9,container=8" --plan
expect_text "device: $disk by descriptor 9, container 8"
expect_ok handed group $enough --device "$disk,fd=card,container=space" --plan
expect_text "device: $disk by descriptor 9, container 8"
expect_status 3 handed group $((64 << 20)) --device "$disk,fd=9,container=8" --plan
expect_text "the kernel pins the guest's memory for DMA: 272 MiB, but this user may lock only 64 MiB"
expect_status 3 handed group $((64 << 20)) --device "$disk,fd=9,container=8"
expect_text 'this user may lock only 64 MiB'
expect_status 125 handed group $enough --device "$disk,fd=8,container=9"
expect_text 'descriptor 9 is not a VFIO container'

for what in group ready device; do
	open_handed $what $enough --device "$disk,fd=9,container=8"
	wait_for_guest '^guest: ready'
	expect_guest "^guest: $content"
	vmm=$(vmm_pid)
	expect_equal "usher-vmm's user" $user "$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$vmm/status")"
	expect_ok env XDG_RUNTIME_DIR="$runtime" setpriv --reuid $user --regid $user --clear-groups \
		"$work/build/src/cli/usher" ps
	expect_text handed
	echo >&8
	exec 8>&-
	wait_for_guest '^usher ended: 0'
	expect_driver "$disk" vfio-pci
done

# Without devices, that user needs nothing of root but /dev/kvm, and a folder of its own.
alone() { # OPTION…
	env ${runtime:+XDG_RUNTIME_DIR="$runtime"} setpriv --reuid $user --regid $user --clear-groups \
		"$work/build/src/cli/usher" run --name alone --net none --kernel "$work/kernel" \
		--initrd "$work/initrd" --memory 256M --cmdline "$boot_words usher.do=poweroff" "$@"
}
expect_ok alone
expect_text 'guest: up'
expect_no_text 'user namespace'
expect_status 125 alone --cpu-limit 50%
expect_text 'systemd-run --user --scope -p Delegate=yes'
(runtime='' && expect_status 125 alone && expect_text 'needs XDG_RUNTIME_DIR') || exit 1

# Where the host permits it no user namespace, one warning names each wall that is missing.
limit=/proc/sys/user/max_user_namespaces
many=$(cat $limit)
at_exit "echo $many >$limit"
echo 0 >$limit
expect_ok alone
expect_text 'enter a user namespace: No space left on device'
for wall in network IPC names; do expect_text "leave the host's $wall: Operation not permitted"; done
expect_text 'enter an empty root: Operation not permitted'
expect_text 'guest: up'
