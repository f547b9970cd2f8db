#!/bin/sh
# SPDX-License-Identifier: MIT
# libvirt.sh SCRIPT: the hook of libvirt, as it is installed, with a stand-in for its program.
set -eu
. "${0%/*}/../fail.sh"

script=$1
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

sed "s|^hook=/.*/usher/libvirt-hook\$|hook=$place/libvirt-hook|" "$script" >"$place/usher"
chmod 755 "$place/usher"
! cmp -s "$script" "$place/usher" || fail 'the script does not name the program'

# libvirt gives a hook these variables alone.
call() {
	echo '<domain/>' | env -i LC_ALL=C PATH=/bin:/usr/bin "$place/usher" "$@"
}
call vm prepare begin - || fail 'without the program a domain does not start'
cat >"$place/libvirt-hook" <<'END'
#!/bin/sh
printf '%s|' "$PPID" "$@"
cat
exit 3
END
chmod 755 "$place/libvirt-hook"
status=0
got=$(call "a b'\$(x)" prepare begin -) || status=$?
[ $status = 3 ] || fail "exit status $status, not the program's"
[ "${got#*|}" = "a b'\$(x)|prepare|begin|-|<domain/>" ] || fail "the program gets '$got'"
got=$(call vm start begin -) && [ -z "$got" ] || fail "'start' calls the program: '$got'"
call && call vm || fail 'without an operation it fails'
# The program's parent is whoever called the hook, as it has to be (src/libvirt/hook.c).
env -i "$place/usher" vm prepare </dev/null >"$place/parent" || [ $? = 3 ]
[ "$(cut -d'|' -f1 "$place/parent")" = $$ ] || fail 'a process is between the caller and the program'
