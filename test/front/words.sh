#!/bin/sh
# SPDX-License-Identifier: MIT
# The command line of ./dev: each verb has help, which does nothing else; a word that a verb does not know is
# an error with a sentence, before anything is installed or compiled. Uses a scratch tree in which each tool
# records its call.
set -eu
. "${0%/*}/tree.sh"

shown='out err calls'

# run STATUS WORD…: ./dev WORD… ends with STATUS, and no tool runs.
run() {
	expected=$1
	shift
	status=0
	: >calls
	./dev "$@" >out 2>err </dev/null || status=$?
	[ $status -eq "$expected" ] || fail "./dev $*: status $status, not $expected"
	[ ! -s calls ] || fail "./dev $* ran something"
}

helps() {
	run 0 "$@"
	grep -q '^usage: ./dev' out || fail "./dev $* prints no usage"
	[ ! -s err ] || fail "./dev $* writes to standard error"
}

refuses() {
	run 2 "$@"
	grep -q '^dev: ' err || fail "./dev $* does not say what is wrong"
	[ ! -s out ] || fail "./dev $* writes to standard output"
}

mkdir -p bin build/meson-logs test/fuzz
echo ./hello >build/meson-logs/install-log.txt
cp "$top/dev" .
ln -s "$top/lab" .
cp -R "$top/bench" .
ln -s "$top/test/live" test/live
ln -s "$top/test/fuzz/corpus" test/fuzz/corpus
for tool in apt-get apt-cache dpkg-query sudo git gcc clang clang-format clang-tidy cppcheck meson ninja; do
	printf '#!/bin/sh\necho "%s $*" >>"%s/calls"\nexit 1\n' $tool "$tree" >bin/$tool
done
chmod +x bin/*
export PATH="$tree/bin:$PATH" PYTHONDONTWRITEBYTECODE=1

helps
helps --help
helps -h
verbs=$(./dev --help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
for verb in demo test install uninstall build lab bench fmt lint fuzz; do
	case " $(echo $verbs) " in *" $verb "*) ;; *) fail "./dev --help does not list '$verb'" ;; esac
done
for verb in $verbs; do
	helps "$verb" --help
	helps "$verb" -h
	[ "$verb" != lab ] || continue # which installs what it needs first
	refuses "$verb" nonsense
	refuses "$verb" --nonsense
done
for word in nonsense --nonsense; do
	status=0
	python3 lab/main.py $word >out 2>err || status=$?
	[ $status -eq 2 ] && grep -q "error: .*$word" err || fail "lab $word: status $status"
done
helps test unit --help
helps fuzz pass --help
for bench in $(./dev bench); do helps bench "$bench" --help; done

refuses nonsense
refuses --nonsense
refuses test build nonsense
refuses test lab nonsense
refuses test unit --nonsense
refuses install --prefix
refuses install --prefix /srv nonsense
refuses install --no-build --prefix /srv
refuses install --no-build
refuses fuzz pass nonsense
refuses fuzz pass 60
refuses fuzz --seconds
refuses fuzz --seconds long
refuses fuzz --seconds 0
refuses fuzz --planted nonsense
refuses fuzz hosts many
refuses fuzz hosts 10 --seed
