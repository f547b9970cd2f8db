#!/bin/sh
# SPDX-License-Identifier: MIT
# What a verb prints on the fixture of a host, held against what it is known to print.
#
#   check.sh USHER FIXTURES GOLDEN ARGUMENT…
#
# Each ARGUMENT "@NAME" is replaced by "--host FIXTURES/NAME.host", "@NAME:all" by that and the
# address of every device there. GOLDEN holds the command, its
# standard output, what it said on standard error ("! ") and its exit status. With UPDATE=1 in the
# environment it is written anew: look at `git diff` then, it is what users will see.
set -eu

usher=$1 fixtures=$2 golden=$3
shift 3
words=$*
for word; do
	shift
	case $word in
	@*:all)
		word=$fixtures/${word#@}
		set -- "$@" --host "${word%:all}.host"
		for address in $("$usher" list -l -n -o address --host "${word%:all}.host" 2>/dev/null); do
			case $address in *:*) set -- "$@" "$address" ;; esac
		done
		;;
	@*) set -- "$@" --host "$fixtures/${word#@}.host" ;;
	*) set -- "$@" "$word" ;;
	esac
done

got=$(mktemp -d)
trap 'rm -r "$got"' EXIT
status=0
# Neither a terminal, nor a locale, nor who runs it changes what is printed.
env -i PATH="$PATH" LC_ALL=C "$usher" "$@" >"$got/out" 2>"$got/err" || status=$?
{
	echo "\$ usher $words"
	cat "$got/out"
	sed "s|$fixtures/||; s/^/! /" "$got/err"
	echo "= $status"
} >"$got/all"

if [ "${UPDATE:-}" ]; then
	cp "$got/all" "$golden"
elif ! diff -u "$golden" "$got/all"; then
	echo "$golden is not what usher prints; UPDATE=1 meson test --suite golden writes it anew" >&2
	exit 1
fi
