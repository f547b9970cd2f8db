#!/bin/sh
# SPDX-License-Identifier: MIT
# unit.sh UNIT PROGRAM GUEST METRICS TIMER: the units are such that systemd takes, and the daemon's is no more
# exposed than it has to be.
set -eu
. "${0%/*}/../../fail.sh"

command -v systemd-analyze >/dev/null || { echo 'systemd-analyze is not installed'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Where it is not installed yet.
sed "s#^ExecStart=[^ ]*#ExecStart=$(realpath "$2")#; /^Documentation=/d" "$1" >"$work/usherd.service"
said=$(systemd-analyze verify "$work/usherd.service" 2>&1 | grep usherd || :)
[ -z "$said" ] || fail "$said"
# That of guests; its programs are not installed yet.
sed 's#^\(Exec[A-Za-z]*=-*\)[^ ]*#\1/bin/true#; /^Documentation=/d' "$3" >"$work/usher-guest@.service"
said=$(systemd-analyze verify "$work/usher-guest@web.service" 2>&1 | grep usher-guest || :)
[ -z "$said" ] || fail "$said"
sed 's#^ExecStart=[^ ]*#ExecStart=/bin/true#; /^Documentation=/d' "$4" >"$work/usher-metrics.service"
sed '/^Documentation=/d' "$5" >"$work/usher-metrics.timer"
said=$(systemd-analyze verify "$work/usher-metrics.timer" "$work/usher-metrics.service" 2>&1 | grep usher-metrics || :)
[ -z "$said" ] || fail "$said"
# A guest that has the only display stops the desktop, so the desktop starts before it.
grep -q '^After=display-manager.service' "$3" || fail 'a guest could start before the display manager'
# Before systemd 253 this implies DeviceAllow=, which closes /dev/vfio.
! grep -E '^(ProtectClock|PrivateDevices)=yes' "$1" || fail 'the service could not open /dev/vfio'
# Its monitor reads faults in the kernel's log, which may be for those with CAP_SYSLOG.
! grep -q '^ProtectKernelLogs=yes' "$1" || fail 'the service could not read the log of the kernel'
grep -q '^CapabilityBoundingSet=.*CAP_SYSLOG' "$1" || fail 'the service lacks CAP_SYSLOG'
# `usher claim` writes there.
for folder in /etc/usher /etc/udev/rules.d; do
	grep -Eq "^ReadWritePaths=.*-$folder( |$)" "$1" || fail "the service could not write to $folder"
done
systemd-analyze security --offline=true --threshold=45 "$work/usherd.service" >"$work/out" 2>&1 ||
	fail "$(tail -n 3 "$work/out")"
# What it leaves open, the unit says why.
grep -o '^✗ [A-Za-z]*' "$work/out" | cut -d' ' -f2 | sort -u >"$work/open"
[ -s "$work/open" ] || fail 'systemd-analyze leaves nothing open: its output has another form'
while read -r item; do
	grep -q "^#.*$item=" "$1" || fail "$item= is open, and the unit does not say why"
done <"$work/open"
tail -n 1 "$work/out"
