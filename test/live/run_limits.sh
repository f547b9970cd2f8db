#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# A guest that spins gets the share of a processor that it may have; one that fills its memory is
# ended by its limit, with the reason; and no cgroup is left, also after the keeper was killed.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

cgroups() { find /sys/fs/cgroup -name 'usher-run-*'; }
guest_script_spin() {
	guest_script <<'END'
echo 'guest: ready'
while :; do :; done
END
}
value() { sed -n "s/^$2 //p" "$1"; }

expect_status 2 usher run --plan --kernel "$kernel" --cpu-limit 150
expect_text "'150' is not a share of one processor"
expect_status 2 usher run --plan --kernel "$kernel" --memory 64M --memory-limit 63M
expect_text '63 MiB are less than the guest'"'"'s memory, 64 MiB'
expect_ok usher run --plan --kernel "$kernel" --cpu-limit 20% --memory-limit 1G
expect_text 'cpu limit: 20% of one processor'
expect_text 'memory limit: 1024 MiB'
expect_equal 'after the plans' '' "$(cgroups)"

guest_script_spin
open_guest --name spins --cpu-limit 20% --memory 96M --memory-limit 1G
wait_for_guest '^guest: ready'
group=$(cgroups)
expect_equal 'what it holds' "$(vmm_pid)" "$(cat "$group/cgroup.procs")"
expect_equal 'its share' '20000 100000' "$(cat "$group/cpu.max")"
expect_equal 'its memory' 1073741824 "$(cat "$group/memory.max")"
before=$(value "$group/cpu.stat" usage_usec) begun=$(date +%s%N)
throttled=$(value "$group/cpu.stat" nr_throttled)
often() { [ "$(value "$group/cpu.stat" nr_throttled)" -ge $((throttled + 20)) ]; }
wait_until 120 often
used=$(($(value "$group/cpu.stat" usage_usec) - before)) took=$((($(date +%s%N) - begun) / 1000))
[ $((used * 100)) -lt $((took * 25)) ] || fail "it took $used of $took us"
kill -TERM "$(vmm_pid)"
wait_for_guest '^usher ended'
expect_equal 'after the end' '' "$(cgroups)"

# 96 MiB hold the guest's memory, but not usher-vmm's own beside it.
guest_script <<'END'
mkdir -p /full
mount -t tmpfs -o size=100% full /full
echo 'guest: ready'
dd if=/dev/zero of=/full/of bs=1M
END
open_guest --name fills --memory 96M --memory-limit 96M
wait_for_guest '^usher ended'
grep -q "guest 'fills': it needed more memory than its limit, 96 MiB (--memory-limit)" "$console" ||
	{ cat "$console"; fail 'no reason for the end'; }
expect_equal 'after the end by memory' '' "$(cgroups)"

guest_script_spin
open_guest --name left --cpu-limit 50%
wait_for_guest '^guest: ready'
kill -KILL "$(usher ps --json | sed -n 's/.*"keeper": \([0-9]*\).*/\1/p')"
wait_for_guest '^usher ended'
expect_ok usher restore --all
expect_equal 'after restore' '' "$(cgroups)"
