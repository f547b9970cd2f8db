#!/bin/sh
# SPDX-License-Identifier: MIT
# library.sh BUILD SOURCE: installs into an empty directory, then builds and runs a program with the
# installed headers, pkg-config file and library. The library links libc only, exports usher_* only, and
# stays small. vfio-pci-bind is a link to usher.
set -eu
. "${0%/*}/../fail.sh"

TEXT_MAX=153600 # 150 KiB
build=$1 source=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

DESTDIR=$place meson install -C "$build" --no-rebuild --quiet >/dev/null
pc=$(find "$place" -name usher.pc) && [ -n "$pc" ] || fail 'no usher.pc'
lib=$(find "$place" -name libusher.so) && [ -n "$lib" ] || fail 'no libusher.so'

link=$(find "$place" -path '*/bin/vfio-pci-bind')
[ -n "$link" ] && [ "$(readlink "$link")" = usher ] || fail 'vfio-pci-bind is not a link to usher'

export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$place"
flags=$(pkg-config --cflags --libs usher)
case " $flags " in *' -lusher '*) ;; *) fail "pkg-config says: $flags" ;; esac
case $(readelf -d "$lib") in *'libasan'*) sanitized=1 ;; *) sanitized= ;; esac

# shellcheck disable=SC2086 # they are words
${CC:-cc} ${sanitized:+-fsanitize=address,undefined} -Wall -Wextra -Wconversion -Wshadow -pedantic-errors -Werror -std=c11 \
	-o "$place/first_driver" "$source/first_driver.c" $flags
LD_LIBRARY_PATH=${lib%/*} "$place/first_driver" | grep -q 'register 8 is 9' ||
	fail 'the program does not work'

# In a C++ program as well, without a warning.
if command -v c++ >/dev/null; then
	for header in "$place"/*/include/usher/*.h "$place"/*/*/include/usher/*.h; do
		[ ! -e "$header" ] || echo "#include <usher/${header##*/}>"
	done >"$place/headers.cc"
	[ -s "$place/headers.cc" ] || fail 'no headers'
	echo 'usher_window w = USHER_WINDOW_NONE; usher_buffer b = USHER_BUFFER_NONE;' \
		'int main() { return w.size || b.fd != -1; }' >>"$place/headers.cc"
	# shellcheck disable=SC2086
	c++ ${sanitized:+-fsanitize=address,undefined} -Wall -Wextra -Wpedantic -Wshadow \
		-Wconversion -Wold-style-cast -Werror -std=c++11 -o "$place/headers" "$place/headers.cc" $flags
	LD_LIBRARY_PATH=${lib%/*} "$place/headers" || fail 'C++ has other values'
fi

# Each function has a manual page, if manuals are installed.
page=$(find "$place" -name usher_device.3)
if [ -n "$page" ]; then
	for name in usher_device_open usher_read32 usher_config_find; do
		[ -e "${page%/*}/$name.3" ] || fail "no manual of $name"
	done
fi

exported=$(nm -D --defined-only "$lib" | awk '$2 != "A" && $3 !~ /^usher_/ { print $3 }')
[ -z "$exported" ] || fail "exports $exported"
[ -z "$sanitized" ] || exit 0
needed=$(readelf -d "$lib" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v '^libc\.' || true)
[ -z "$needed" ] || fail "links $needed"
text=$(size "$lib" | awk 'NR == 2 { print $1 }')
[ "$text" -le $TEXT_MAX ] || fail "text is $text bytes, $TEXT_MAX at most"
echo "libusher: $text bytes of text"
