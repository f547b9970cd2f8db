#!/bin/sh
# SPDX-License-Identifier: MIT
# After an interrupted or outdated setup of a build directory, the next verb of ./dev builds again. Uses a
# scratch tree of one program; every package counts as installed.
set -eu
. "${0%/*}/tree.sh"

shown=out

# builds WHAT: ./dev build works, and so does meson in its directory.
builds() {
	rm -f build/hello
	./dev build >out 2>&1 || fail "$1: ./dev build ended with $?"
	[ -x build/hello ] || fail "$1: nothing was built"
	meson test -C build --no-rebuild >out 2>&1 || fail "$1: meson test ended with $?"
}

mkdir bin bench
claim_packages
# Touching this file looks like a newly installed meson.
cat >bin/meson <<END
#!/bin/sh
echo "\$*" >>"$tree/calls"
exec "$(command -v meson)" "\$@"
END
printf '#!/bin/sh\nexec "${0%%/*}/../build/bench/driver_uring"\n' >bench/driver
chmod +x bin/* bench/driver
export PATH="$tree/bin:$PATH" PKG_CONFIG_PATH="$tree"
cp "$top/dev" .
printf 'int main(void) { return 0; }\n' >hello.c
printf "option('fuzz', type: 'boolean', value: false)\noption('fate', type: 'string')\n" >meson_options.txt
cat >meson.build <<'END'
project('hello', 'c')
hello = executable('hello', 'hello.c')
test('hello', hello)
if dependency('scratch-uring', required: false).found()
	subdir('bench')
endif
END
echo "executable('driver_uring', '../hello.c')" >bench/meson.build

builds 'a fresh clone'
touch -d '1 minute ago' build/meson-private/coredata.dat # newer than the meson command, for the next steps
touch -d '2 minutes ago' bin/meson

: >calls
builds 'a directory that works'
! grep -q setup calls || fail 'configured again what works'

# A bench's library is installed after the build, as apt installs liburing.
printf 'Name: scratch-uring\nDescription: none\nVersion: 1\n' >scratch-uring.pc
./dev bench driver >out 2>&1 || fail "bench ended with $?"
builds 'after a bench'

meson configure build -Dprefix=/srv/scratch
mkdir build/found
rm build/build.ninja
builds 'without build.ninja, as after an interrupted setup'
rm build/meson-private/build.dat
builds 'with build.ninja only, as after a setup that was interrupted late'
echo 'of another version' | tee build/meson-private/coredata.dat >build/meson-private/build.dat
sed -i 's/"full": "/&0./' build/meson-info/meson-info.json
touch -d '1 minute ago' build/meson-private/coredata.dat
builds 'with the data of another meson'
meson configure build -Dfate=black
sed -i /fate/d meson_options.txt
builds 'with an option that is gone'
mv build build.old
mkdir build
builds 'after the replacement of a directory was interrupted'
[ -d build/found ] || fail 'what the fuzzers found was lost'
meson introspect build --buildoptions | grep -q '"/srv/scratch"' || fail 'the prefix was lost'

# A fault in the tree itself is reported, and the directory stays.
echo 'nonsense(' >>meson.build
touch build/mine
! ./dev build >out 2>&1 || fail 'no error for a meson.build that is broken'
grep -q 'meson.build:[0-9]*:[0-9]*: ERROR' out || fail 'does not say what is wrong with meson.build'
[ -f build/mine ] && [ ! -e build.old ] || fail 'a broken meson.build cost the directory'
