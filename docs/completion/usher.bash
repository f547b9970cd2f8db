# SPDX-License-Identifier: MIT
# Completion of usher for bash. `usher complete` knows what a word may be; ':…' lines leave files to
# bash.

_usher_files() {
	compopt -o filenames 2>/dev/null
	case $1 in
	:command) mapfile -t COMPREPLY < <(compgen -c -- "$2") ;;
	:snapshot) mapfile -t COMPREPLY < <(compgen -f -X '!*.host' -- "$2" && compgen -d -- "$2") ;;
	esac
	[[ ${#COMPREPLY[@]} -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- "$2")
}

_usher() {
	# readline splits words at colons and equals signs: split the line at blanks instead.
	local line=${COMP_LINE:0:COMP_POINT} words=() word=${COMP_WORDS[COMP_CWORD]} whole got=()
	read -ra words <<<"$line"
	[[ $line == *[[:blank:]] ]] && words+=('')
	whole=${words[-1]}
	words=("${words[@]//[\\\'\"]/}")
	mapfile -t got < <(usher complete -- "${_usher_before[@]}" "${words[@]:1}" 2>/dev/null)
	COMPREPLY=()
	if [[ ${got[0]-} == :after\ * ]]; then
		whole=${whole:${got[0]#:after }}
		word=${word#=} got=("${got[@]:1}")
	fi
	if [[ ${got[0]-} == :* ]]; then
		_usher_files "${got[0]}" "$whole"
		return
	fi
	COMPREPLY=("${got[@]%%$'\t'*}")
	# readline has the part behind the last colon or equals sign in mind.
	[[ $word == [:=] ]] && word=
	COMPREPLY=("${COMPREPLY[@]#"${whole%"$word"}"}")
	[[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}

# usher under the name vfio-pci-bind: completes as 'usher vfio-pci-bind'.
_usher_compat() {
	local _usher_before=(vfio-pci-bind)
	_usher
}
complete -F _usher usher
complete -F _usher_compat vfio-pci-bind vfio-pci-bind.sh
