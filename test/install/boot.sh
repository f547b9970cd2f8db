#!/bin/sh
# SPDX-License-Identifier: MIT
# boot.sh SOURCE UNIT: the files that are installed for the boot. The hook of initramfs-tools and the file
# for dracut, each run by a stand-in for its caller, include the udev rule and vfio_pci; the unit has a
# time limit.
set -eu
. "${0%/*}/../fail.sh"

source=$1 unit=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

rule=$(sed -n 's/^#define CLAIM_RULE_PATH "\(.*\)"$/\1/p' "$source/src/claim/rule.h")
[ -n "$rule" ] || fail 'no CLAIM_RULE_PATH'

# As in hook-functions(8): copy_file returns 1 if the file is there already.
cat >"$place/hook-functions" <<'END'
copy_file() {
	[ "$1" = rule ] && [ ! -e "$DESTDIR$2" ] || return 1
	mkdir -p "$DESTDIR${2%/*}" && cp "$2" "$DESTDIR$2"
}
manual_add_modules() { printf '%s\n' "$@" >>"$DESTDIR/modules"; }
END

# The two files outside of DESTDIR are replaced by this test's.
hook=$place/usher
sed "s|^\. /usr/share/initramfs-tools/hook-functions$|. $place/hook-functions|
	s|^rule=/|rule=$place/|" "$source/boot/usher.hook" >"$hook"
[ "$(diff "$source/boot/usher.hook" "$hook" | grep -c '^>')" = 2 ] || fail 'the hook has changed'
sh -n "$hook" || fail 'the hook is not a shell script'
[ "$(sh "$hook" prereqs)" = udev ] || fail 'the hook does not come after the one of udev'

# hook_takes WHAT MODULES: the hook succeeds and adds vfio_pci.
hook_takes() {
	DESTDIR=$place/initramfs sh "$hook" || fail "the hook $1: exit status $?"
	[ "$(cat "$place/initramfs/modules")" = "$2" ] || fail "the hook $1: no vfio_pci"
}
mkdir "$place/initramfs"
hook_takes 'without a claim' 'vfio_pci'
[ ! -e "$place/initramfs$place" ] || fail 'the hook takes a rule that is not there'
mkdir -p "$place${rule%/*}"
echo '# rule' >"$place$rule"
hook_takes 'with a claim' "$(printf 'vfio_pci\nvfio_pci')"
cmp "$place$rule" "$place/initramfs$place$rule" || fail 'the hook does not take the rule'
hook_takes 'with the rule there already' "$(printf 'vfio_pci\nvfio_pci\nvfio_pci')"

# dracut reads its files with bash; other files add words before and after.
sh -n "$source/boot/usher.dracut.conf" || fail 'the file for dracut cannot be read'
# shellcheck disable=SC2016 # the other shell's
got=$(bash -euc 'install_optional_items=/etc/other add_drivers=other; . "$1"
	install_optional_items+=/last add_drivers+=last
	echo $install_optional_items and $add_drivers' bash "$source/boot/usher.dracut.conf")
[ "$got" = "/etc/other $rule /last and other vfio_pci last" ] || fail "dracut gets '$got'"

# The unit's limit is longer than that of one write, 10 s (cli/apply.c).
limit=$(sed -n 's/^TimeoutStartSec=\([0-9]*\)$/\1/p' "$unit")
[ "${limit:-0}" -gt 10 ] && [ "$limit" -le 90 ] || fail "TimeoutStartSec is '$limit'"
grep -q '^ExecStart=/.*/usher apply --boot$' "$unit" || fail 'the unit does not apply'
grep -q '^ConditionKernelCommandLine=!usher=off$' "$unit" || fail 'the unit cannot be switched off'
