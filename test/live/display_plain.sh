#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: cards
# timeout: 240
# As display_handover.sh, on a host without systemd: the desktop is a script of /etc/init.d, and known
# by the name of its program.
. "${0%/*}/lib.sh"

display=$(address_of 1234:1111)
modprobe -q bochs || modprobe -q bochs-drm || skip 'no driver for the display'
node=$(ls -d "$pci/$display"/drm/card*) && node=/dev/dri/${node##*/}
ln -s "$top/build/test/live/draw_screen" "$work/Xorg"
mkdir -p /etc/X11
[ ! -e /etc/X11/default-display-manager ] || cp -p /etc/X11/default-display-manager "$work/manager"
echo /usr/sbin/lightdm >/etc/X11/default-display-manager
cat >/etc/init.d/lightdm <<END
#!/bin/sh
case \$1 in
start)
	[ ! -e $work/pid ] || exit 0
	setsid $work/Xorg $node 7 >$work/drawn 2>&1 </dev/null &
	echo \$! >$work/pid
	until grep -q drawn $work/drawn; do sleep 0.1; done
	;;
stop)
	[ -e $work/pid ] || exit 0
	kill \$(cat $work/pid)
	while [ -e /proc/\$(cat $work/pid) ]; do sleep 0.1; done
	rm $work/pid
	;;
esac
END
chmod 755 /etc/init.d/lightdm
at_exit '/etc/init.d/lightdm stop; rm -f /etc/init.d/lightdm /etc/X11/default-display-manager
	[ ! -e "$work/manager" ] || cp -p "$work/manager" /etc/X11/default-display-manager'

desktop_runs() {
	[ -e "$work/pid" ] && [ -e "/proc/$(cat "$work/pid")" ]
}
. "${0%/*}/desktop.sh"

/etc/init.d/lightdm start
state >"$work/first"
expect_ok usher run --plan --display-handover --kernel "$brief" --device "$display"
expect_text 'stops lightdm'
expect_text 'open in Xorg'
expect_ok hand_over brief
as_first 'the end of the guest'
expect_log 'ended with status 0'
! grep -q usher "/proc/$(cat "$work/pid")/cgroup" || fail "the desktop is in $(cat "/proc/$(cat "$work/pid")/cgroup")"
wait_until 10 [ ! -e /sys/fs/cgroup/usher-desktop-screen ]
expect_ok hand_over drive
expect_log 'drives the card'
grep -q /usher-desktop-screen "/proc/$(pidof usher-vmm)/cgroup" || fail 'it is not in a cgroup of its own'
expect_ok usher stop --timeout 2 screen
as_first 'a stop'
wait_until 10 [ ! -e /sys/fs/cgroup/usher-desktop-screen ]
