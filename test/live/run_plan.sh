#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: cards
# guest: small
# timeout: 600
# A plan and a run agree, for both engines: what the plan accepts starts, even where no byte is to
# spare; what it refuses the run refuses in the same words.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address) || fail 'no NVMe disk'
raid=$(address_of 1000:0079) || fail 'no RAID controller'
usb=$(address_of 1b36:000d) || fail 'no USB controller'
before=$(all_drivers)

usher_runs() { # [OPTION…]
	guest poweroff $plan --memory 256M "$@"
}

qemu_runs() {
	qemu_guest poweroff $plan --memory 256M "$@"
}

# Without these two capabilities, root has a limit of locked memory.
may_lock() { # MIB
	become="prlimit --memlock=$(($1 << 20)):$(($1 << 20)) setpriv --bounding-set -ipc_lock,-sys_resource"
}

pool_has() { # PAGES
	echo "$1" >/proc/sys/vm/nr_hugepages
	expect_equal 'the pool of huge pages' "$1" "$(cat /proc/sys/vm/nr_hugepages)"
}
at_exit 'echo 0 >/proc/sys/vm/nr_hugepages'

starts() { # COMMAND…
	plan=--plan
	expect_ok "$@"
	expect_no_text 'guest: up'
	expect_equal 'the drivers, planned' "$before" "$(all_drivers)"
	plan=
	expect_ok "$@"
	expect_text 'guest: up'
	wait_until 30 back_again
}

back_again() {
	[ "$before" = "$(all_drivers)" ]
}

refused() { # CHECK COMMAND…
	check=$1
	shift
	for plan in --plan ''; do
		expect_status 3 "$@"
		expect_text "[$check]"
		expect_no_text 'guest: up'
		grep ' \[[a-z-]*\]$' "$work/err" >"$work/told$plan"
		expect_equal 'the drivers, refused' "$before" "$(all_drivers)"
	done
	cmp "$work/told--plan" "$work/told" ||
		fail "$*: the plan: $(cat "$work/told--plan"), the run: $(cat "$work/told")"
}

starts usher_runs --device "$disk" --device "$raid" --device "$usb"
for one in 'usher_runs 16' 'qemu_runs 256'; do
	runs=${one% *}
	may_lock $((256 + ${one#* }))
	starts "$runs" --device "$disk"
	may_lock $((255 + ${one#* }))
	refused memlock "$runs" --device "$disk"
	become=
	refused memory "$runs" --device "$disk" --memory 900G
	refused reserved "$runs" --device "$disk" --memory 600G --allow memory
	refused platform "$runs" --device 0000:00:1f.2
	sleep 300 <"/dev/$(block_of "$disk")" &
	holder=$!
	wait_until 20 sh -c "readlink /proc/$holder/fd/0 | grep nvme"
	refused fd "$runs" --device "$disk"
	kill $holder
	wait $holder 2>/dev/null
done
pool_has 128
starts usher_runs --device "$disk" --hugepages
pool_has 127
refused hugepages usher_runs --device "$disk" --hugepages

# Something of the host keeps memory in a BAR: plan, check and run say so, and the guest runs.
edu=$(edu_address) || fail 'no edu'
read -r bar _ <"$pci/$edu/resource"
modprobe ramoops mem_address=$((bar + 0x80000)) mem_size=0x10000 record_size=0x4000 || fail 'no ramoops'
at_exit 'modprobe -r ramoops'
plan=--plan
expect_ok usher_runs --device "$edu"
expect_text "$edu: ramoops:dmesg(0/2) holds a part of its BAR 0"
expect_text '[mmap]'
usher check "$edu" >"$work/out" 2>"$work/err"
expect_text "P17 $edu: ramoops:dmesg(0/2) holds a part of its BAR 0"
starts usher_runs --device "$edu"
expect_text "$edu: cannot map BAR 0"
expect_equal 'the journal' '' "$(ls /run/usher/journal 2>/dev/null)"
