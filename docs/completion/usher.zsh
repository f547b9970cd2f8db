#compdef usher vfio-pci-bind vfio-pci-bind.sh
# SPDX-License-Identifier: MIT
# Completion of usher for zsh. `usher complete` knows what a word may be; ':…' lines leave files to
# zsh.

_usher() {
	local -a got before found
	local line

	[[ $service == vfio-pci-bind* ]] && before=(vfio-pci-bind)
	got=("${(@f)$(usher complete -- $before "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
	if [[ $got[1] == ':after '* ]]; then
		compset -P '*='
		shift got
	fi
	case $got[1] in
	:snapshot) _files -g '*.host(-.)' || _files ;;
	:command) _command_names -e || _files ;;
	:*) _files ;;
	'') return 1 ;;
	*)
		# _describe splits at colons.
		for line in $got; do
			found+=("${${line%%$'\t'*}//:/\\:}${${(M)line:#*$'\t'*}:+:${line#*$'\t'}}")
		done
		_describe word found
		;;
	esac
}

_usher "$@"
