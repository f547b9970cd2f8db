#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The completion for bash offers what usher has: check.bash USHER COMPLETION
set -euo pipefail

PATH=$(dirname "$1"):$PATH
# shellcheck source=/dev/null
. "$2"

# complete_words WORD…: asks for what the last of them can be completed to.
complete_words() {
	COMP_WORDS=(usher "$@")
	COMP_CWORD=$#
	COMP_LINE="usher $*"
	COMP_POINT=${#COMP_LINE}
	COMPREPLY=()
	_usher
}

# $want is offered.
expect() {
	complete_words "$@"
	case " ${COMPREPLY[*]} " in
	*" $want "*) ;;
	*) echo "usher $*: offers '${COMPREPLY[*]}', not '$want'" && exit 1 ;;
	esac
}

want=claim expect cl
want=claims expect cl
want=list expect ''
want=--check expect apply --c
want=--driver expect claim ''-
want=group expect help gr
want=bar expect help b
want=vfs expect help vf
want=check expect help ch
want=--json expect list --j
want=--svg expect list --s
want=--help expect list --h
complete_words list --nonsense
[ ${#COMPREPLY[@]} -eq 0 ] || { echo "completes nonsense: ${COMPREPLY[*]}"; exit 1; }
