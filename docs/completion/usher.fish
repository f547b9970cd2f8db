# SPDX-License-Identifier: MIT
# Completion of usher for fish. Verbs and options are what usher's own help tells.

function __usher_verbs
    usher --help 2>/dev/null | string replace -rf '^  ([a-z][a-z-]*) +([^ ].*)' '$1\t$2'
end

function __usher_options
    set -l words (commandline -opc)
    usher $words[2] --help 2>/dev/null | string replace -rf '^  (--[a-z-]+).*' '$1'
end

complete -c usher -f -n 'test (count (commandline -opc)) -eq 1' -a 'help (__usher_verbs)'
complete -c usher -f -n 'string match -q help (commandline -opc)[2]' -a '(__usher_verbs)'
complete -c usher -f -n 'test (count (commandline -opc)) -gt 1' -a '(__usher_options)'
complete -c usher -n 'test (count (commandline -opc)) -gt 1' -a '(ls /sys/bus/pci/devices 2>/dev/null)'
