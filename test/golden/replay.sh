#!/bin/sh
# SPDX-License-Identifier: MIT
# A snapshot of a snapshot tells what the first one tells: replay.sh USHER FIXTURE.host
set -eu

usher=$1 fixture=$2
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# tells FILE WORD…: what a read verb says of that host, and how it ends.
tells() {
	file=$1
	shift
	status=0
	env -i PATH="$PATH" LC_ALL=C "$usher" "$@" --host "$file" >"$work/told" 2>&1 || status=$?
	echo "= $status" >>"$work/told"
	sed "s|$file|HOST|g" "$work/told"
}

"$usher" snapshot --exact --host "$fixture" "$work/exact.host"
"$usher" snapshot --host "$fixture" "$work/shared.host"
addresses=$("$usher" list -l -n -o address --host "$fixture" 2>/dev/null | sed 1d)
set -- 'list -n --json' 'list -n --tree' 'check --json' 'claims --json' "show -n --json $addresses"
for address in $addresses; do
	set -- "$@" "guide -n $address" "vfs $address" "revive --dry-run $address" "revive --dry-run ${address%.*}.5"
done
for words; do
	# shellcheck disable=SC2086
	tells "$fixture" $words >"$work/first"
	# shellcheck disable=SC2086
	tells "$work/exact.host" $words >"$work/second"
	diff -u "$work/first" "$work/second" || { echo "'$words' differs" >&2; exit 1; }
done
# A redacted one has the same devices, in the same groups, on the same drivers.
tells "$fixture" list -l -n -o address,group,class,id,driver,state >"$work/first"
tells "$work/shared.host" list -l -n -o address,group,class,id,driver,state >"$work/second"
diff -u "$work/first" "$work/second" || { echo "a redacted snapshot has other devices" >&2; exit 1; }
