#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# What a program of `usher exec` may do; and none of its processes is left at the end.
. "${0%/*}/lib.sh"

for_anyone test/live/exec_stay test/live/exec_out
stay=$work/build/test/live/exec_stay
out=$work/build/test/live/exec_out
disk=$(nvme_address)
nic=$(e1000e_address)

# Another device is bound to VFIO: this program must not open it.
expect_ok usher bind "$nic"
at_exit usher release "$nic"
# Some callers ignore the end of their children, and usher inherits that.
expect_status 23 sh -c 'trap "" CHLD; exec "$@"' sh usher exec --device "$disk" --user 1000 -- "$stay"
cat "$work/out"
expect_text 'Uid:	1000	1000	1000	1000'
for set in Inh Prm Eff Bnd Amb; do expect_text "Cap$set:	0000000000000000"; done
expect_text 'NoNewPrivs:	1'
expect_text 'pid 2'
expect_no_text SEEN
expect_no_text OPENED
expect_text 'attributes refused: many'
expect_text "$disk: vfio-pci -> nvme"
expect_driver "$disk" nvme
expect_equal 'what stayed' '' "$(pidof exec_stay)"
expect_equal 'its cgroup' '' "$(find /sys/fs/cgroup -name 'usher-*')"

# From inside, the program reaches neither another process of its user, nor another procfs, nor the
# caller's key, descriptor, variable and folder, nor attributes of a device that its user owns.
setpriv --reuid 1000 --regid 1000 --clear-groups sleep 600 &
victim=$!
at_exit "kill $victim"
mkdir "$work/proc" "$work/shut"
mount -t proc proc "$work/proc"
at_exit "umount $work/proc"
chmod 700 "$work/shut"
chown 1000 "$pci/$nic/resource0" "$pci/$nic/config"
at_exit "chown 0 $pci/$nic/resource0 $pci/$nic/config"
SECRET=1 GIVEN=0
export SECRET GIVEN
cd "$work/shut"
for user in '--user 1000' ''; do
	# shellcheck disable=SC2086
	expect_ok "$out" own usher exec --device "$disk" $user --env GIVEN=two -- \
		"$out" try "$victim" "$work/proc"
	cat "$work/out"
	expect_text 'the owner finds its key'
	expect_no_text GOT
	expect_text 'working folder /'
	expect_text 'secret unknown, given two'
	expect_text 'path known'
	expect_text 'session of its own'
	expect_text 'refused many'
	[ -n "$user" ] || break
	expect_text 'user 1000, group 1000'
	expect_text 'writes /tmp yes, /var/tmp yes'
	rm -f /tmp/exec-out /var/tmp/exec-out /dev/shm/exec-out
done
kill -0 $victim || fail 'the program outside has ended'
expect_text 'user 20209'
expect_text 'home /'
expect_text 'writes /tmp no, /var/tmp no, /dev/shm yes'
[ ! -e /dev/shm/exec-out ] || fail 'what it wrote is on the host'
expect_equal 'reserved users' '' "$(ls /run/usher/uid)"
cd /

# Sockets of that user's session.
install -d -o 1000 -m 700 /run/user/1000
touch /run/user/1000/bus
expect_ok usher exec --quiet --device "$disk" --user 1000 -- ls -A /run/user
expect_no_text 1000
[ -e /run/user/1000/bus ] || fail 'what was hidden is gone'
rm -r /run/user/1000

# Two loans at once, with two users.
usher exec --device "$disk" -- sh -c 'echo waiting; exec sleep 100' >"$work/first" 2>&1 &
keeper=$!
at_exit "kill $keeper 2>/dev/null"
wait_until 30 grep -q waiting "$work/first"
expect_ok usher exec --quiet --device "$(edu_address)" -- sh -c 'id -u'
expect_no_text "$(ls /run/usher/uid)"
kill $keeper
wait $keeper
expect_driver "$disk" nvme

# Kill the program, then the keeper.
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

# Programs that cannot be started: the status is that of env(1), and no device is touched.
expect_status 127 usher exec --device "$disk" --user 1000 -- /nonexistent
expect_text 'start /nonexistent: No such file or directory'
expect_no_text vfio-pci
printf '#!/nowhere/python\n' >"$work/script"
chmod 755 "$work/script"
expect_status 127 usher exec --device "$disk" --user 1000 -- "$work/script"
expect_text "start $work/script: its interpreter /nowhere/python: No such file or directory"
expect_no_text vfio-pci
# shellcheck disable=SC2046
expect_status 2 usher exec --device "$disk" --user 1000 -- true $(seq 4096)
expect_text 'the program would get more than 4096 words'
expect_no_text vfio-pci
expect_status 126 usher exec --device "$disk" --user 1000 -- /etc/passwd
expect_status 126 usher exec --device "$disk" --user 1000 -- /tmp
expect_no_text vfio-pci
install -d -m 700 "$work/closed"
cp "$stay" "$work/closed/stay"
expect_status 126 usher exec --quiet --device "$disk" --user 1000 -- "$work/closed/stay"
expect_text "start $work/closed/stay: user 1000 may not enter $work/closed"
expect_status 127 env PATH="$work/closed:$PATH" \
	usher exec --quiet --device "$disk" --user 1000 -- nothing-of-that-name
expect_text 'start nothing-of-that-name: no such program in PATH'
expect_text 'user 1000 may not enter'
# A caller without privileges gets the command to run instead.
for_anyone src/cli/usher src/cli/usher-whole
expect_status 125 setpriv --reuid 1000 --clear-groups "$work/build/src/cli/usher" \
	exec --quiet --device "$disk" -- true
expect_text 'sudo usher exec'
expect_driver "$disk" nvme
expect_status 2 usher exec --device "$disk" --user nobody-of-that-name -- true
# Without capabilities, root still owns all device files.
for root in root 0; do
	expect_status 2 usher exec --device "$disk" --user $root -- "$stay"
	expect_text "is user 0, which owns every device file"
done
echo 'wheel:x:4711:0::/:/bin/sh' >>/etc/passwd
expect_status 2 usher exec --device "$disk" --user wheel -- "$stay"
expect_text "is of group 0"
expect_status 2 usher exec --device "$disk"
expect_equal 'what is left of the loans' '' "$(ls /run/usher/vm)"
wait_until 20 test -b "/dev/$(block_of "$disk")"
