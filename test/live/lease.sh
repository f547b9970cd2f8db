#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# timeout: 300
# Leases: a keeper lends a disk to a process or to a key, and gets it back from whoever has it.
. "${0%/*}/lib.sh"

for_anyone test/live/driver_nvme test/live/driver_gone
programs=$work/build/test/live
disk=$(nvme_address)
block=$(block_of "$disk")
cp /bin/sleep "$work/borrower" || fail 'copy sleep' # not busybox, which goes by its name
chmod 755 "$work" "$work/borrower"
log=/var/log/usher/leases
rm -f "$log"
at_exit 'for l in /run/usher/lease/*; do usher revoke --force "${l##*/}"; done; usher restore' \
	'>/dev/null 2>&1'

# lease_is NAME STATE: a condition for wait_until.
lease_is() {
	usher leases --json | tr -d '\n' | grep -q "\"lease\": \"$1\",[^}]*\"state\": \"$2\""
}

# expect_back: the disk is with its driver, and works; nothing is left.
expect_back() {
	expect_driver "$disk" nvme
	expect_override "$disk" none
	wait_until 20 test -b "/dev/$block"
	dd if="/dev/$block" of=/dev/null bs=1M count=1 iflag=direct 2>/dev/null || fail 'no read'
	expect_equal leases '' "$(ls /run/usher/lease 2>/dev/null)"
	expect_equal journal '' "$(ls /run/usher/journal 2>/dev/null)"
}

# keeper_of NAME, which holds the lease.
keeper_of() {
	cat "/run/usher/lease/$1/keeper"
}

# A command drives the device, and everything goes back when it ends.
dd if="/dev/$block" of="$work/disk" bs=1M count=8 iflag=direct 2>/dev/null
expect_ok usher lease "$disk" -- "$programs/driver_nvme" "$work/disk"
expect_text 'nvme, by interrupts'
expect_text "$disk: reset by"
expect_no_text FAILED
expect_back
expect_status 7 usher lease --quiet "$disk" -- sh -c 'exit 7'
expect_status 137 usher lease --quiet "$disk" -- sh -c 'kill -9 $$'
expect_status 127 usher lease "$disk" -- /no/such/program
expect_back

# Held by a key: the same lease twice, and nobody else's.
expect_ok usher lease "$disk" --key tests --for 1h
expect_text "lease 'tests', until"
keeper=$(keeper_of tests)
expect_ok usher lease "$disk" --key tests
expect_equal 'the same keeper' "$keeper" "$(keeper_of tests)"
expect_status 3 usher lease "$(edu_address)" --key tests
expect_text 'has other devices'
expect_status 3 usher lease "$disk" --key others
expect_text "lent to lease 'tests' (process $keeper)"
expect_status 3 usher bind "$disk"
expect_ok usher leases --json
expect_document
expect_text '"state": "running"'
expect_ok usher list "$disk"
for round in 1 2; do
	expect_ok usher lease "$disk" --key tests -- "$programs/driver_nvme" "$work/disk"
	expect_text 'nvme, by interrupts'
done
expect_equal 'still the same keeper' "$keeper" "$(keeper_of tests)"
for round in 1 2; do expect_ok usher lease --end --key tests; done
expect_back

# Twice at one time: one keeper.
for number in 1 2 3 4; do
	usher lease "$disk" --key crowd --json >"$work/crowd.$number" 2>&1 &
done
wait
expect_equal 'one keeper' 1 "$(grep -h '"keeper"' "$work"/crowd.* | sort -u | wc -l)"
expect_equal 'four answers' 4 "$(grep -l '"lease": "crowd"' "$work"/crowd.* | wc -l)"
expect_ok usher lease --end --key crowd

# The time is over.
expect_ok usher lease --quiet "$disk" --key short --for 2s
wait_until 30 test ! -e /run/usher/lease/short
expect_back

# Revoked: one driver lets go when it is asked, another one goes on with its reads, and is ended.
for how in '' stay; do
	usher lease "$disk" -- "$programs/driver_gone" inherit $how >"$work/gone" 2>&1 </dev/null &
	lease=lease-$!
	wait_until 30 grep -q 'reads go on' "$work/gone"
	expect_ok usher revoke --timeout 5 "$lease"
	wait $!
	status=$?
	cat "$work/gone"
	[ -z "$how" ] || expect_equal 'ended' 137 $status
	expect_back
done
expect_status 1 usher revoke tests
expect_text "no lease named 'tests' runs"

# The borrower is killed, and so is the process that follows it.
usher lease "$disk" -- "$work/borrower" 1000 >"$work/sleep" 2>&1 &
lease=lease-$!
wait_until 30 lease_is $lease running
kill -9 "$(pidof borrower)"
wait $!
expect_equal 'the borrower was killed' 137 $?
expect_back
usher lease "$disk" -- "$work/borrower" 1000 >"$work/sleep" 2>&1 &
lease=lease-$!
wait_until 30 lease_is $lease running
kill -9 $!
lease_is $lease running || fail 'the lease ended with the process that follows it'
kill -9 "$(pidof borrower)"
wait_until 20 test ! -e /run/usher/lease/$lease
expect_back

# The borrower passes its descriptors on. A process of its own user is ended.
expect_ok usher lease "$disk" -- sh -c "$work/borrower 1000 & exit 0"
expect_equal 'what stayed' '' "$(pidof borrower)"
expect_back
# One of another user is named, and the device stays.
cat >"$work/pass" <<END
setpriv --reuid 1000 --clear-groups "$work/borrower" 1000 &
sleep 1
exit 0
END
expect_status 125 usher lease "$disk" --user 1001 -- sh "$work/pass"
expect_text "'borrower' (process $(pidof borrower))"
expect_driver "$disk" vfio-pci
kill -9 "$(pidof borrower)"
expect_ok usher restore
expect_back

# One that is in a socket, as a message that nobody has received, is in no process. If its owner takes
# and closes it, the disk goes back; else the process with the socket is named.
cat >"$work/message.py" <<'END'
import os, re, socket, sys, time
device = int(re.search(r"none,(\d+)", os.environ["USHER_DEVICE"])[1])
container = int(re.search(r"fd:(\d+)", os.environ["USHER_DEVICE"])[1])
here, there = socket.socketpair()
socket.send_fds(here, [b"x"], [device])
if os.fork() == 0:
    os.setsid()
    os.close(device)
    os.close(container)
    os.setresuid(1000, 1000, 1000)
    time.sleep(float(sys.argv[1]))
    _, fds, _, _ = socket.recv_fds(there, 1, 1)
    os.close(fds[0])
    time.sleep(1000 if len(sys.argv) > 2 else 0)
END
expect_ok usher lease "$disk" --user 1001 -- python3 "$work/message.py" 3
expect_text "$disk: reset by"
expect_back
expect_status 125 usher lease "$disk" --user 1001 -- python3 "$work/message.py" 1000
message=$(pgrep -f "message.py 1000")
expect_text "'python3' (process $message, perhaps)"
expect_driver "$disk" vfio-pci
usher restore >"$work/out" 2>"$work/err"
expect_text 'a process that usher cannot find has a device of it open'
expect_driver "$disk" vfio-pci
kill -9 "$message"
wait_until 20 usher restore
expect_back

# Somebody waits for a keeper that is stopped, but not for ever.
expect_ok usher lease --quiet "$disk" --key hangs
kill -STOP "$(keeper_of hangs)"
expect_status 1 usher lease --end --key hangs
expect_text "the keeper of lease 'hangs' does not answer now"
kill -CONT "$(keeper_of hangs)"
expect_ok usher lease --end --key hangs
expect_back

# The process of a lease may lock more while it has the lease.
expect_ok usher lease --quiet --memlock 3G "$disk" -- sh -c "ulimit -l >$work/limit"
expect_equal 'the limit' 3145728 "$(cat "$work/limit")"
"$work/borrower" 1000 &
borrower=$!
prlimit --pid $borrower --memlock=65536:131072
usher lease --quiet "$disk" --owner $borrower --memlock 1G || fail 'no lease'
expect_equal 'raised' '1073741824 1073741824' \
	"$(prlimit --pid $borrower --memlock --output SOFT,HARD --noheadings | tr -s ' ')"
expect_ok usher revoke "$(ls /run/usher/lease)"
expect_equal 'put back' '65536 131072' \
	"$(prlimit --pid $borrower --memlock --output SOFT,HARD --noheadings | tr -s ' ')"
expect_back
# Of a killed keeper, `usher restore` puts it back.
usher lease --quiet "$disk" --owner $borrower --memlock 1G || fail 'no lease'
orphan=$(ls /run/usher/lease)
kill -9 "$(keeper_of "$orphan")"
wait_until 20 lease_is "$orphan" dead
expect_ok usher restore
expect_equal 'put back after the keeper' '65536 131072' \
	"$(prlimit --pid $borrower --memlock --output SOFT,HARD --noheadings | tr -s ' ')"
kill $borrower
expect_back

# The keeper is killed: the journal knows.
expect_ok usher lease --quiet "$disk" --key killed
kill -9 "$(keeper_of killed)"
wait_until 20 lease_is killed dead
expect_driver "$disk" vfio-pci
expect_ok usher restore
expect_text "was lent to lease 'killed'"
expect_back

# A signal to the keeper returns everything.
expect_ok usher lease --quiet "$disk" --key signalled
kill "$(keeper_of signalled)"
wait_until 20 test ! -e /run/usher/lease/signalled
expect_back

# Who had what.
cat "$log"
for reason in owner-ended returned expired revoked stopped; do
	grep -q "\"reason\":\"$reason\"" "$log" || fail "the log has no '$reason'"
done
python3 - "$log" "$orphan" <<'END' || fail 'a lease has no end in the log'
import collections, json, sys
open_leases = collections.Counter()
restored = collections.Counter()
for line in open(sys.argv[1]):
    entry = json.loads(line)
    if entry["event"] == "restored":
        restored[entry["lease"]] += 1
    else:
        open_leases[entry["lease"]] += 1 if entry["event"] == "lent" else -1
        restored[entry["lease"]] -= "stuck" in entry
# Those of killed keepers have an end by their return, and those that were stuck both.
sys.exit({name for name, count in open_leases.items() if count} != {"killed", sys.argv[2]} or
         {name for name, count in restored.items() if count} != {"killed", sys.argv[2]})
END
