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
"$top/dev" uninstall >/dev/null
left=$(find "$place" -type f ! -path "$place/list" -o -type l)
[ -z "$left" ] || fail "uninstall has left $left"
