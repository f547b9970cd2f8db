#!/bin/sh
# SPDX-License-Identifier: MIT
# ./dev install, the installed programs, and ./dev uninstall, in an empty directory. The prefix of this
# tree and its list of installed files stay as they were.
set -eu
. "${0%/*}/../fail.sh"

top=$(cd "${0%/*}/../.." && pwd)
log=$top/build/meson-logs/install-log.txt
place=$(mktemp -d)
put_back() {
	if [ -f "$place.log" ]; then mv "$place.log" "$log"; else rm -f "$log"; fi
	rm -rf "$place"
}
trap put_back EXIT

[ ! -f "$log" ] || cp "$log" "$place.log"
prefix=$(meson introspect "$top/build" --buildoptions |
	python3 -c 'import json,sys; print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))')
export DESTDIR="$place"
mkdir -p "$place/etc/libvirt"
"$top/dev" install --prefix "$prefix" >/dev/null
usher=$place$prefix/bin/usher
"$usher" list >"$place/list" || fail "the installed 'usher list' ended with $?"
[ -s "$place/list" ] || fail "the installed 'usher list' says nothing"
"$usher" --version >/dev/null || fail 'no version'
[ -n "$(find "$place" -name 'usher-vmm')" ] || fail 'no usher-vmm'
[ -n "$(find "$place" -name 'usher-image')" ] || fail 'no usher-image'
[ -x "$place/etc/libvirt/hooks/qemu.d/usher" ] || fail 'libvirt is there, and has no hook'
[ -x "$place$prefix/libexec/usher/libvirt-hook" ] || fail 'no program of the hook'

# The service: each part is where its reader looks, and its reader takes it.
for file in "$prefix/lib/systemd/system/usherd.service" "$prefix/lib/systemd/system/usher-guest@.service" \
	/usr/share/polkit-1/actions/org.usher.Usher1.policy "$prefix/share/dbus-1/system-services/org.usher.Usher1.service" \
	"$prefix/lib/sysusers.d/usher.conf" "$prefix/lib/tmpfiles.d/usher.conf"; do
	[ -s "$place$file" ] || fail "no $file"
done
[ -s "$place/etc/dbus-1/system.d/org.usher.Usher1.conf" ] ||
	[ -s "$place/usr/share/dbus-1/system.d/org.usher.Usher1.conf" ] || fail 'no policy of the bus'
xmllint --noout --nonet "$place/usr/share/polkit-1/actions/org.usher.Usher1.policy" || fail 'the actions are no XML'
sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$place$prefix/lib/systemd/system/usherd.service" "$place$prefix/lib/systemd/system/usher-guest@.service" |
	while read -r program; do [ -x "$place$program" ] || fail "a unit starts $program, which is not there"; done
if command -v systemd-sysusers >/dev/null && [ "$(id -u)" = 0 ]; then
	mkdir -p "$place/root/etc"
	systemd-sysusers --root="$place/root" "$place$prefix/lib/sysusers.d/usher.conf" || fail 'sysusers'
	grep -q '^vfio:' "$place/root/etc/group" || fail 'there is no group vfio'
	systemd-tmpfiles --root="$place/root" --create "$place$prefix/lib/tmpfiles.d/usher.conf" || fail 'tmpfiles'
	[ -d "$place/root/run/usher" ] && [ -d "$place/root/var/log/usher" ] || fail 'no folders of tmpfiles'
	rm -rf "$place/root"
fi

# Nobody would give back devices that are lent.
mkdir -p "$place/run/usher/lease/1000+k" "$place/run/usher/vm/web" "$place/run/usher/journal"
: >"$place/run/usher/journal/12"
status=0
"$top/dev" uninstall >/dev/null 2>"$place/said" || status=$?
[ "$status" = 3 ] || fail "uninstall with a lease: status $status"
for word in "lease '1000+k'" "guest 'web'" 'group 12'; do
	grep -q "$word" "$place/said" || fail "uninstall does not name $word: $(cat "$place/said")"
done
[ -x "$usher" ] || fail 'a refused uninstall has removed something'
rm -r "$place/run" "$place/said"
"$top/dev" uninstall >/dev/null
left=$(find "$place" -type f ! -path "$place/list" -o -type l)
[ -z "$left" ] || fail "uninstall has left $left"
