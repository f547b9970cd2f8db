#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The completion for bash offers what usher has: check.bash USHER COMPLETION
set -euo pipefail

usher=$1
# shellcheck source=/dev/null
. "$2"

# expect WORD… : the last of them can be completed to $want.
expect() {
	COMP_WORDS=("$usher" "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_usher
	case " ${COMPREPLY[*]} " in
	*" $want "*) ;;
	*) echo "usher $*: offers '${COMPREPLY[*]}', not '$want'" && exit 1 ;;
	esac
}

want=claim expect cl
want=claims expect cl
want=list expect ''
want=apply expect help a
want=--check expect apply --c
want=--driver expect claim ''-
want=--help expect list --h
COMP_WORDS=("$usher" list --nonsense) COMP_CWORD=2
_usher
[ ${#COMPREPLY[@]} -eq 0 ] || { echo "completes nonsense: ${COMPREPLY[*]}"; exit 1; }
