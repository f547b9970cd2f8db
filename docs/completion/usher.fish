# SPDX-License-Identifier: MIT
# Completion of usher for fish. Verbs and options come from `usher --help` and `usher VERB --help`.

function __usher_verbs
	usher --help 2>/dev/null | string replace -rf '^  ([a-z][a-z-]*) +(\S.*)' '$1\t$2'
end

function __usher_options
	set -l words (commandline -opc)
	usher $words[2] --help 2>/dev/null | string replace -rf '^ *(-[a-z], )?(--[a-z-]+)( [A-Z]\S*)* +(\S.*)' '$2\t$4'
end

# A verb, or one of the words on the lines below "help TOPIC".
function __usher_topics
	usher --help 2>/dev/null | string match -r '^ {16}[a-z ]+$' | string trim | string split ' '
	__usher_verbs
end

function __usher_addresses
	for path in /sys/bus/pci/devices/*
		test -e $path/pci_bus; or basename $path
	end
end

for name in vfio-pci-bind vfio-pci-bind.sh
	complete -c $name -f -a '(__usher_addresses)'
end

complete -c usher -n __fish_use_subcommand -f -a '(__usher_verbs)'
complete -c usher -n '__fish_seen_subcommand_from help' -f -a '(__usher_topics)'
complete -c usher -n 'not __fish_use_subcommand; and not __fish_seen_subcommand_from help' -a '(__usher_addresses)'
complete -c usher -n 'not __fish_use_subcommand; and string match -q -- "-*" (commandline -ct)' -f -a '(__usher_options)'
