# SPDX-License-Identifier: MIT
# Completion of usher for bash. Verbs and options come from `usher --help` and `usher VERB --help`.

_usher_addresses() {
	local path
	for path in /sys/bus/pci/devices/*; do
		[[ -e $path/pci_bus ]] || printf '%s\n' "${path##*/}"
	done
}

_usher() {
	local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} words
	# readline splits words at the colons of an address: join them again.
	local line=${COMP_LINE:0:COMP_POINT}
	local whole=${line##* }

	if [[ $line != *' '*' '* ]]; then
		words=$(usher --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  *[A-Za-z].*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$words --help --version" -- "$word")
	elif [[ $verb == help ]]; then
		# A verb, or one of the words on the lines below "help TOPIC".
		words=$(usher --help 2>/dev/null | sed -n -e 's/^ \{16\}\([a-z ]*\)$/\1/p' \
			-e 's/^  \([a-z][a-z-]*\)  *[A-Za-z].*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$words --host --help" -- "$word")
	elif [[ $whole == -* ]]; then
		words=$(usher "$verb" --help 2>/dev/null |
			sed -n 's/^ *\(-[a-z], \)\{0,1\}\(--[a-z-]*\).*/\2/p')
		mapfile -t COMPREPLY < <(compgen -W "$words --help" -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -W "$(_usher_addresses)" -- "$whole")
		COMPREPLY=("${COMPREPLY[@]#"${whole%"$word"}"}")
	fi
}

# usher under the name vfio-pci-bind: completes as 'usher vfio-pci-bind'.
_usher_compat() {
	COMP_WORDS=(usher vfio-pci-bind "${COMP_WORDS[@]:1}")
	COMP_CWORD=$((COMP_CWORD + 1))
	COMP_LINE="usher vfio-pci-bind${COMP_LINE#"${COMP_LINE%%[[:space:]]*}"}"
	COMP_POINT=${#COMP_LINE}
	_usher
}
complete -o default -F _usher usher
complete -o default -F _usher_compat vfio-pci-bind vfio-pci-bind.sh
