#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# A snapshot shows what the host shows, also for a device that is lent. A redacted one contains no
# serial number and no MAC address.
. "${0%/*}/lib.sh"
. "${0%/*}/replay.sh"

card=$(e1000e_address)
# The interface's link-local address contains its MAC address.
interface=$(ls "$pci/$card/net")
ip link set "$interface" up
at_exit "ip link set $interface down 2>/dev/null"
wait_until 10 grep -qi 505400fffe000001 /proc/net/ipv6_route
replay_all
redacts lab-disk 505400fffe000001 5054:ff:fe00:1
ip link set "$interface" down
expect_ok usher bind "$card"
at_exit "usher release $card >/dev/null"
replay_all
expect_ok usher list -n --host "$work/exact.host" "$card"
expect_text 'ready'

# A snapshot of a snapshot is identical.
expect_ok usher snapshot --exact --host "$work/exact.host" "$work/again.host"
diff "$work/exact.host" "$work/again.host" || fail "a snapshot of a snapshot is another"
expect_status 1 usher snapshot /nonexistent/folder/file
expect_text /nonexistent/folder/file

# usher follows no link of another user, whether the kernel protects it or not.
mkdir -m 1777 "$work/shared"
echo precious >"$work/victim"
ln -s "$work/victim" "$work/shared/out.host"
chown -h 65534:65534 "$work/shared/out.host"
before=$(cat /proc/sys/fs/protected_symlinks)
at_exit "echo $before >/proc/sys/fs/protected_symlinks"
for protected in 0 1; do
	echo $protected >/proc/sys/fs/protected_symlinks
	expect_status 1 usher snapshot "$work/shared/out.host"
	expect_text 'another user'
	expect_equal 'the file behind the link' precious "$(cat "$work/victim")"
done
