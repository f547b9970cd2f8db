#!/bin/sh
# SPDX-License-Identifier: MIT
# What a program under `usher exec` may do, and that nothing of it stays.
. "${0%/*}/lib.sh"

for_anyone test/live/exec_stay
stay=$work/build/test/live/exec_stay
disk=$(nvme_address)
nic=$(e1000e_address)

# Another device lies ready for VFIO: not for this program.
expect_ok usher bind "$nic"
at_exit usher release "$nic"
expect_status 23 usher exec --device "$disk" --user 1000 -- "$stay"
cat "$work/out"
expect_text 'Uid:	1000	1000	1000	1000'
for set in Inh Prm Eff Bnd Amb; do expect_text "Cap$set:	0000000000000000"; done
expect_text 'NoNewPrivs:	1'
expect_text 'pid 2'
expect_text "group $(group_of "$nic"): refused"
expect_text "group $(group_of "$disk"): refused"
expect_no_text OPENED
expect_text 'attributes refused: many'
expect_text "$disk: vfio-pci -> nvme"
expect_driver "$disk" nvme
expect_equal 'what stayed' '' "$(pidof exec_stay)"
expect_equal 'its cgroup' '' "$(find /sys/fs/cgroup -name 'usher-*')"

# Killed: the program, then the keeper.
for whom in program keeper; do
	usher exec --device "$disk" --user 1000 -- "$stay" wait >"$work/out" 2>&1 &
	keeper=$!
	wait_until 30 grep -q waiting "$work/out"
	if [ $whom = program ]; then
		for pid in $(pidof exec_stay); do
			! grep -q "SigBlk:	0000000000000000" "/proc/$pid/status" || kill -9 "$pid"
		done
		wait $keeper
		expect_equal 'the status of a killed program' 137 $?
	else
		kill -9 $keeper
		wait_until 20 sh -c '! pidof exec_stay'
		expect_ok usher restore
		expect_text 'lent to a program of usher exec (process'
		expect_equal 'its cgroup' '' "$(find /sys/fs/cgroup -name 'usher-*')"
	fi
	expect_equal 'what stayed' '' "$(pidof exec_stay)"
	expect_driver "$disk" nvme
done

# What cannot be started, and what is in the way.
expect_status 125 usher exec --quiet --device "$disk" --user 1000 -- /nonexistent
expect_text '/nonexistent'
install -d -m 700 "$work/closed"
cp "$stay" "$work/closed/stay"
expect_status 125 usher exec --quiet --device "$disk" --user 1000 -- "$work/closed/stay"
expect_text "start $work/closed/stay: user 1000 may not enter $work/closed"
expect_status 125 env PATH="$work/closed:$PATH" \
	usher exec --quiet --device "$disk" --user 1000 -- nothing-of-that-name
expect_text 'start nothing-of-that-name: no such program in PATH'
expect_text 'user 1000 may not enter'
# Who is not root is told so.
for_anyone src/cli/usher src/cli/usher-whole
expect_status 125 setpriv --reuid 1000 --clear-groups "$work/build/src/cli/usher" \
	exec --quiet --device "$disk" -- true
expect_text 'sudo usher exec'
expect_driver "$disk" nvme
expect_status 2 usher exec --device "$disk" --user nobody-of-that-name -- true
# Root is root without capabilities, too.
for root in root 0; do
	expect_status 2 usher exec --device "$disk" --user $root -- "$stay"
	expect_text "is user 0, which owns every device file"
done
echo 'wheel:x:4711:0::/:/bin/sh' >>/etc/passwd
expect_status 2 usher exec --device "$disk" --user wheel -- "$stay"
expect_text "is of group 0"
expect_status 2 env SUDO_UID=4712 usher exec --device "$disk" -- "$stay"
expect_text 'user 4712, who called sudo, is not in the password file'
expect_status 2 usher exec --device "$disk"
wait_until 20 test -b "/dev/$(block_of "$disk")"
