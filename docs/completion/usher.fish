# SPDX-License-Identifier: MIT
# Completion of usher for fish. Verbs and options come from `usher --help` and `usher VERB --help`.

function __usher_verbs
	usher --help 2>/dev/null | string replace -rf '^  ([a-z][a-z-]*) +(\S.*)' '$1\t$2'
end

function __usher_options
	set -l words (commandline -opc)
	usher $words[2] --help 2>/dev/null | string replace -rf '^  (--[a-z-]+)( [A-Z]\S*)* +(\S.*)' '$1\t$3'
end

function __usher_addresses
	for path in /sys/bus/pci/devices/*
		test -e $path/pci_bus; or basename $path
	end
end

complete -c usher -n __fish_use_subcommand -f -a '(__usher_verbs)'
complete -c usher -n 'not __fish_use_subcommand' -a '(__usher_addresses)'
complete -c usher -n 'not __fish_use_subcommand; and string match -q -- "-*" (commandline -ct)' -f -a '(__usher_options)'
