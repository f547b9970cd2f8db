# SPDX-License-Identifier: MIT
# For tests of usherd on a host with systemd ('# init: systemd'). Sourced after lib.sh: installs usher as './dev
# install' does, and makes alice, who is a member of the group vfio, and bob, who is not.

[ -x /usr/lib/polkit-1/polkitd ] && [ -x /lib/systemd/systemd-machined ] ||
	skip 'polkitd or systemd-machined is not installed'
expect_ok "$top/dev" install --no-build
expect_ok systemctl cat usherd.service
usherd=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$work/out")
prefix=${usherd%/libexec/usher/usherd}
PATH=$prefix/bin:$PATH
rules=/etc/polkit-1/rules.d
rm -f /var/log/usher/leases
cp -p /etc/passwd /etc/group "$work"
remove_all() {
	systemctl stop 'usher-guest@*' 'usher-*.scope' usherd.service
	usher restore
	rm -rf $rules/*usher.rules /etc/usher/guests
	cp -p "$work/passwd" "$work/group" /etc
	sed '/^#/d' "$top/build/meson-logs/install-log.txt" | xargs -d '\n' rm -f
	systemctl daemon-reload
}
at_exit 'remove_all >/dev/null 2>&1'

printf '%s:x:%d:%d::/:/bin/sh\n' alice 4001 4001 bob 4002 4002 >>/etc/passwd
sed -i 's/^vfio:.*/&alice/' /etc/group
printf '%s:x:%d:\n' alice 4001 bob 4002 >>/etc/group
mkdir -p $rules
cp "$prefix/share/usher/polkit/usher.rules" $rules/50-usher.rules

# as USER COMMAND…
as() {
	user_=$1
	shift
	setpriv --reuid "$user_" --regid "$user_" --init-groups env -i PATH="$PATH" HOME=/ "$@"
}

# expect_back DEVICE: the disk is with its driver, and works; nothing is lent.
expect_back() {
	wait_until 30 has_driver "$1" nvme
	wait_until 20 block_of "$1"
	wait_until 20 dd if="/dev/$(block_of "$1")" of=/dev/null bs=1M count=1 iflag=direct
	expect_equal leases '' "$(ls /run/usher/lease)"
	expect_equal journal '' "$(ls /run/usher/journal)"
}

# in_unit PROCESS UNIT: a condition for wait_until.
in_unit() {
	grep -q "^0::/.*/$2\(/\|\$\)" "/proc/$1/cgroup"
}
