#compdef usher vfio-pci-bind vfio-pci-bind.sh
# SPDX-License-Identifier: MIT
# Completion of usher for zsh. Verbs and options come from `usher --help` and `usher VERB --help`.

_usher() {
	local -a found
	local device

	if [[ $service == vfio-pci-bind* ]]; then
		words=(usher vfio-pci-bind "${(@)words[2,-1]}")
		((CURRENT++))
	fi
	if ((CURRENT == 2)); then
		found=(${(f)"$(usher --help 2>/dev/null |
			sed -n 's/^  \([a-z][a-z-]*\)  *\([A-Za-z].*\)/\1:\2/p')"})
		_describe verb found
	elif [[ $words[2] == help ]]; then
		# A verb, or one of the words on the lines below "help TOPIC".
		found=($(usher --help 2>/dev/null | sed -n -e 's/^ \{16\}\([a-z ]*\)$/\1/p' \
			-e 's/^  \([a-z][a-z-]*\)  *[A-Za-z].*/\1/p'))
		compadd -a found
	elif [[ $PREFIX == -* ]]; then
		found=(${(f)"$(usher $words[2] --help 2>/dev/null |
			sed -n 's/^ *\(-[a-z], \)\{0,1\}\(--[a-z-]*\)[^ ]*\( [A-Z][^ ]*\)* *\(.*\)/\2:\4/p')"})
		_describe option found
	else
		for device in /sys/bus/pci/devices/*(N); do
			[[ -e $device/pci_bus ]] || found+=(${device:t})
		done
		compadd -a found
		_files
	fi
}

_usher "$@"
