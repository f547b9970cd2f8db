#compdef usher
# SPDX-License-Identifier: MIT
# Completion of usher for zsh. Verbs and options are what usher's own help tells.

_usher() {
	local -a words_
	if (( CURRENT == 2 )) || [[ $words[2] == help ]]; then
		words_=(${(f)"$($words[1] --help 2>/dev/null |
			sed -n 's/^  \([a-z][a-z-]*\)  *\([^ ].*\)/\1:\2/p')"})
		_describe verb words_
	elif [[ $words[CURRENT] == -* ]]; then
		words_=(--help ${(f)"$($words[1] $words[2] --help 2>/dev/null |
			sed -n 's/^  \(--[a-z-]*\).*/\1/p')"})
		compadd -- $words_
	elif [[ $words[CURRENT-1] == (--host|--kernel|--initrd) ]]; then
		_files
	else
		compadd -- /sys/bus/pci/devices/*(N:t)
	fi
}
_usher "$@"
