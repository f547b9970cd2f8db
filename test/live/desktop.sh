# SPDX-License-Identifier: MIT
# For tests that lend the only display of a host. Sourced after lib.sh; $display is its address, and
# desktop_runs succeeds while the stand-in for a desktop (draw_screen) runs.

. /run/lab/settings
brief=$top/build/test/guest/brief
pictures=0
# Where the outer QEMU writes what the screen shows; nothing of a picture is left behind.
shown() {
	pictures=$((pictures + 1))
	picture=${job%/*}/handover$pictures.ppm
	qmp screendump "{\"device\": \"display\", \"filename\": \"$picture\"}" >/dev/null || return
	# Not by a checksum, nor by busybox: both take half a second.
	if /usr/bin/cmp -s "$picture" "${first_picture:=$picture}"; then
		echo 'the first picture'
	else
		echo 'another picture'
	fi
}

state() {
	cat /sys/class/tty/tty0/active
	grep -H . /sys/class/vtconsole/*/name /sys/class/vtconsole/*/bind
	desktop_runs && echo runs
	driver_of "$display"
	shown
}

# What shows a difference without a program comes first.
same() {
	read -r active_ </sys/class/tty/tty0/active
	read -r first_active_ <"$work/first"
	[ "$active_" = "$first_active_" ] && [ "$(driver_of "$display")" != vfio-pci ] || return
	state >"$work/now"
	cmp -s "$work/now" "$work/first"
}

# as_first WHAT: it may take a moment until the desktop has drawn.
as_first() {
	tries_=100
	until same; do
		tries_=$((tries_ - 1))
		[ $tries_ -gt 0 ] || {
			cat /run/usher/log/* "$work/err"
			state >"$work/now"
			fail "after $1: $(diff "$work/first" "$work/now")"
		}
		sleep 0.3
	done
	expect_equal "the journal after $1" '' "$(find /run/usher/desktop /run/usher/journal -type f)"
}

# hand_over GUEST [OPTION…]: the command that a person types; it returns when the guest runs, or will
# not. The guest is one of test/guest.
hand_over() {
	guest_=$top/build/test/guest/$1
	shift
	rm -f /run/usher/log/screen
	usher run --display-handover --name screen --kernel "$guest_" --device "$display" --memory 32M "$@" \
		</dev/null
}

has_logged() {
	grep -q -- "$1" /run/usher/log/screen
}

expect_log() {
	wait_for_line 90 /run/usher/log/screen "$1"
}
