# SPDX-License-Identifier: MIT
# Completion of usher for fish. `usher complete` knows what a word may be; ':…' lines leave files to
# fish.

function __usher_words
	set -l words (commandline -opc)
	set -l word (commandline -ct | string unescape)
	set -l got (usher complete -- $argv $words[2..-1] "$word" 2>/dev/null)
	set -l start ''
	if string match -q ':after *' -- $got[1]
		set start (string sub -l (string replace ':after ' '' -- $got[1]) -- $word)
		set -e got[1]
	end
	set -l rest (string sub -s (math 1 + (string length -- $start)) -- $word)
	switch "$got[1]"
		case :snapshot
			__fish_complete_suffix $rest .host | string replace -r '^' -- $start
		case :command
			__fish_complete_command
		case ':*'
			__fish_complete_path $rest | string replace -r '^' -- $start
		case '*'
			for line in $got
				printf '%s%s\n' $start $line
			end
	end
end

complete -c usher -f -a '(__usher_words)'
for name in vfio-pci-bind vfio-pci-bind.sh
	complete -c $name -f -a '(__usher_words vfio-pci-bind)'
end
