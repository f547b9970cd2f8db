#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Usage: check.bash USHER FOLDER. Checks that the completions offer usher's verbs and options; those
# of zsh and fish only if the shell is installed.
set -euo pipefail

PATH=$(dirname "$1"):$PATH
# shellcheck source=/dev/null
. "$2/usher.bash"

# complete_words WORD…: completes the last word into COMPREPLY.
complete_words() {
	COMP_WORDS=(usher "$@")
	COMP_CWORD=$#
	COMP_LINE="usher $*"
	COMP_POINT=${#COMP_LINE}
	COMPREPLY=()
	_usher
}

# expect WORD…: the completions of the last word contain $want.
expect() {
	complete_words "$@"
	case " ${COMPREPLY[*]} " in
	*" $want "*) ;;
	*) echo "usher $*: offers '${COMPREPLY[*]}', not '$want'" && exit 1 ;;
	esac
}

# Each verb and each option with a value has a type.
usher complete --check || exit 1

want=claim expect cl
want=claims expect cl
want=list expect ''
want=--check expect apply --c
want=--driver expect claim ''-
want=group expect help gr
want=bar expect help b
want=--host expect help --h
want=vfs expect help vf
want=check expect help ch
want=--json expect list --j
want=--svg expect list --s
want=--help expect list --h
want=bind expect bi
want=release expect rel
want=restore expect res
want=vfs expect v
want=pause expect control x p
want=unclaim expect un
want=vfio-pci-bind expect vf
want=--user-group expect claim --u

# Each option in the help of each verb.
for verb in $(usher --help | sed -n 's/^  \([a-z][a-z-]*\)  *[A-Za-z].*/\1/p'); do
	[ "$verb" != help ] || continue
	for option in $(usher "$verb" --help | sed -n 's/^ *\(-[a-z], \)\{0,1\}\(--[a-z-]*\).*/\2/p'); do
		want=$option expect "$verb" "${option%?}"
	done
done
[ "$(usher bind --help | grep -cE '^ +(-[a-z], )?--')" -ge 11 ] || { echo "bind has lost its options"; exit 1; }

# vfio-pci-bind: its first argument is the third word of usher's command line.
COMP_WORDS=(vfio-pci-bind --he) COMP_CWORD=1 COMP_LINE='vfio-pci-bind --he' COMP_POINT=18
_usher_compat
[ "${COMPREPLY[*]}" = --help ] || { echo "vfio-pci-bind --he: '${COMPREPLY[*]}'"; exit 1; }

complete_words bind --timeout ''
[ ${#COMPREPLY[@]} -eq 0 ] || { echo "completes a number: ${COMPREPLY[*]}"; exit 1; }
complete_words control x resize ''
[ ${#COMPREPLY[@]} -eq 0 ] || { echo "a command behind a command: ${COMPREPLY[*]}"; exit 1; }
complete_words list --nonsense
[ ${#COMPREPLY[@]} -eq 0 ] || { echo "completes nonsense: ${COMPREPLY[*]}"; exit 1; }

bash -n "$2/usher.bash"
! command -v zsh >/dev/null || zsh -n "$2/usher.zsh"
if command -v fish >/dev/null; then
	fish -n "$2/usher.fish"
	HOME=$(mktemp -d)
	export HOME
	trap 'rm -r "$HOME"' EXIT
	fish -c "source $2/usher.fish; complete -C 'usher bi'; complete -C 'usher bind --user-'" |
		cut -f 1 | tr '\n' ' ' | grep -qx 'bind --user-group ' ||
		{ echo 'fish does not offer bind and its --user-group'; exit 1; }
fi
