#!/bin/sh
# SPDX-License-Identifier: MIT
# ./dev fuzz says what a fuzzer ended by: its time, a finding, an interruption, or anything else. Uses a scratch
# tree in which a script is the fuzzer, and every package counts as installed.
set -eu
. "${0%/*}/tree.sh"

shown='out err'

# fuzzes STATUS TEXT SCRIPT: with a fuzzer that does that, ./dev fuzz ends with STATUS and says TEXT.
fuzzes() {
	printf '#!/bin/sh\nfor word; do case $word in -artifact_prefix=*) prefix=${word#*=} ;; esac; done\n%s\n' \
		"$3" >fuzzer
	status=0
	./dev fuzz first second >out 2>err </dev/null || status=$?
	[ $status -eq "$1" ] || fail "after '$3': status $status, not $1"
	[ -z "$2" ] || grep -qx "dev: $2" err || fail "after '$3': no '$2'"
	case $2 in *found*) ;; *) ! grep -q 'found something' err || fail "after '$3': says that it found something" ;; esac
}

mkdir -p bin test/fuzz/corpus/first test/fuzz/corpus/second
cp "$top/dev" .
claim_packages
cat >bin/meson <<END
#!/bin/sh
[ "\$1" != setup ] || mkdir -p "\$2/test/fuzz"
for name in first second; do cp "$tree/fuzzer" "\$2/test/fuzz/fuzz_\$name"; chmod +x "\$2/test/fuzz/fuzz_\$name"; done
END
for tool in ninja python3; do printf '#!/bin/sh\n' >bin/$tool; done
chmod +x bin/*
export PATH="$tree/bin:$PATH"

fuzzes 0 '' 'exit 0'
# The finding is no younger than the run: the kernel's clock of files moves by ticks, and both may fall into one.
fuzzes 1 'first found something: see build-fuzz/found/first-\*' \
	'echo >"${prefix}crash-1"; touch -d @0 "${prefix}crash-1"; exit 77'
grep -q 'second found something' err || fail 'the second one does not run after a finding'
# What an earlier run has found is there still.
[ -e build-fuzz/found/first-crash-1 ] || fail 'the finding was lost'
fuzzes 1 'first ended with status 1, without a finding' 'exit 1'
fuzzes 130 'first was interrupted' 'exit 72'
! grep -q 'fuzzing second' out || fail 'goes on with the next one after an interruption'
