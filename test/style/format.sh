#!/bin/sh
# SPDX-License-Identifier: MIT
# Every C file is as `./dev fmt` writes it. Only clang-format 14 decides: other versions differ.
set -eu
cd "$1"
tool=$(command -v clang-format-14 || command -v clang-format || true)
case $("${tool:-false}" --version 2>/dev/null || true) in
*"version 14."*) ;;
*)
	echo "SKIP: clang-format 14 is not here"
	exit 77
	;;
esac
find src test include bench examples -name '*.[ch]' -print0 | xargs -0 "$tool" --dry-run --Werror
