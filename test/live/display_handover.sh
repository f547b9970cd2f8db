#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: cards
# init: systemd
# timeout: 600
# A guest gets the only display of a host whose desktop is on it. Screen, active terminal and consoles
# are as before when the guest ends, is killed, or does not drive the card; and when the processes of
# usher are killed, at each step.
. "${0%/*}/lib.sh"

display=$(address_of 1234:1111)
modprobe -q bochs || modprobe -q bochs-drm || skip 'no driver for the display'
node=$(ls -d "$pci/$display"/drm/card*) && node=/dev/dri/${node##*/}
scopes=/sys/fs/cgroup/system.slice
unit=display-manager.service
# A desktop here starts and ends faster than systemd lets a unit do by default.
cat >/etc/systemd/system/$unit <<-END
	[Unit]
	StartLimitIntervalSec=0
	[Service]
	ExecStart=$top/build/test/live/draw_screen $node 7
END
systemctl daemon-reload
at_exit "systemctl stop $unit; rm /etc/systemd/system/$unit; systemctl daemon-reload"

desktop_runs() {
	systemctl is-active --quiet $unit
}
. "${0%/*}/desktop.sh"

alone() {
	[ ! -e "$scopes/usher-desktop-screen.scope" ]
}

# The processes of a hand-over: the owner, and the keeper of its guest.
owner() { sed -n 's/^owner \([0-9]*\) .*/\1/p' /run/usher/desktop/*; }
keeper() { sed -n 's/^keeper \([0-9]*\) .*/\1/p' /run/usher/desktop/*; }

owner_stopped() {
	grep -q '^State:.T' "/proc/$(owner)/status"
}

systemctl start $unit
wait_until 30 journalctl -q -u $unit --grep drawn
sleep 0.5
state >"$work/first"
[ "$(head -n 1 "$work/first")" = tty7 ] || fail 'the desktop has no terminal'

# What would happen, and what prevents it.
expect_ok usher run --plan --display-handover --kernel "$brief" --device "$display"
expect_text "stops $unit"
expect_text "unbinds the text console '(M) frame buffer device'"
expect_ok usher run --plan --json --display-handover=timeout=9 --kernel "$brief" --device "$display"
expect_document
expect_text '"timeout": 9'
sleep 1000 <>"$node" &
other=$!
expect_status 3 hand_over brief
expect_text 'it does not end with the desktop'
kill $other
wait $other 2>/dev/null
expect_status 2 hand_over brief --return vfio
expect_ok usher run --plan --display-handover=unit=absent.service --kernel "$brief" --device "$display"
expect_text 'absent.service: does not run'
same || fail "a refusal changed something: $(diff "$work/first" "$work/now")"

# The guest ends.
expect_ok hand_over brief
as_first 'the end of the guest'
expect_log 'ended with status 0'
wait_until 20 alone

# It does not drive the card; its console counts for nothing.
expect_ok hand_over drive --cmdline idle --display-handover=timeout=10
expect_log 'does not drive the card after 10 s'
as_first 'a guest without life'
wait_until 20 alone

# One of the two processes is killed; a person stops the guest.
for victim in owner keeper; do
	expect_ok hand_over drive
	expect_log 'drives the card'
	expect_status 0 usher restore
	expect_text 'left alone'
	kill -9 "$($victim)"
	[ $victim = keeper ] || expect_ok usher stop --timeout 2 screen
	as_first "the death of the $victim"
	wait_until 30 alone
done

# The owner dies behind each of its changes, and the keeper brings the desktop back.
deaths=0
n=1
while :; do
	[ $n -lt 20 ] || fail 'it does not get through'
	export USHER_BIND_DIE=$n
	hand_over brief >"$work/out" 2>"$work/err"
	unset USHER_BIND_DIE
	wait_until 120 alone
	as_first "a death behind change $n"
	has_logged 'has died' || break
	deaths=$((deaths + 1))
	n=$((n + 1))
done
[ $deaths -ge 5 ] || fail "only $deaths deaths"

# Both die there, and a person types 'usher restore' by network.
n=1
while [ $n -lt $deaths ]; do # the last change removes the entry
	export USHER_BIND_STOP=$n
	hand_over brief >"$work/out" 2>"$work/err" &
	command=$!
	unset USHER_BIND_STOP
	wait_until 120 owner_stopped
	echo 1 >$scopes/usher-desktop-screen.scope/cgroup.kill
	wait $command
	wait_until 30 alone
	expect_ok usher restore
	as_first "a restore after change $n"
	n=$((n + 1))
done

# What a unit leaves behind keeps the card: the desktop comes back, and the process is named. It opens
# the card behind the desktop, so it is never the master.
mkdir -p /run/systemd/system/$unit.d
cat >/run/systemd/system/$unit.d/stays.conf <<-END
	[Service]
	KillMode=process
	ExecStartPost=/bin/sh -c "(sleep 3; exec sleep 1000 <>$node) &"
END
systemctl daemon-reload
systemctl restart $unit
wait_until 60 pgrep -f '^sleep 1000'
at_exit 'pkill -f "^sleep 1000"'
expect_status 125 hand_over brief
expect_log '30 s after the desktop was stopped'
as_first 'a process that stays'
rm -r "/run/systemd/system/$unit.d"
systemctl daemon-reload
