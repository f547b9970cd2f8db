# SPDX-License-Identifier: MIT
# Completion of usher for bash. Verbs and options are what usher's own help tells.

_usher() {
	local word=${COMP_WORDS[COMP_CWORD]} usher=${COMP_WORDS[0]} words
	local IFS=$' \t\n'
	if [ "$COMP_CWORD" -eq 1 ]; then
		words="help $("$usher" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  *[^ ].*/\1/p')"
	elif [ "${COMP_WORDS[1]}" = help ]; then
		words=$("$usher" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  *[^ ].*/\1/p')
	elif [ "${word#-}" != "$word" ]; then
		words="--help $("$usher" "${COMP_WORDS[1]}" --help 2>/dev/null |
			sed -n 's/^  \(--[a-z-]*\).*/\1/p')"
	else
		case ${COMP_WORDS[COMP_CWORD - 1]} in
		--host | --kernel | --initrd) words=$(compgen -f -- "$word") ;;
		--user) words=$(compgen -u -- "$word") ;;
		*) words=$(ls /sys/bus/pci/devices 2>/dev/null) ;;
		esac
		# To readline the colons of an address part words: only what is behind the last one is its.
		local left=${word%"${word##*:}"}
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		case $COMP_WORDBREAKS in *:*) COMPREPLY=("${COMPREPLY[@]#"$left"}") ;; esac
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _usher usher
