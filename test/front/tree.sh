# SPDX-License-Identifier: MIT
# For tests of ./dev in a scratch tree. Sourced: the test goes on in the tree, which its end removes.
. "${0%/*}/../fail.sh"

top=$(cd "${0%/*}/../.." && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cd "$tree"

# claim_packages: every package counts as installed where bin/ is first in PATH.
claim_packages() {
	cat >bin/dpkg-query <<-'END'
		#!/bin/sh
		while [ "$1" != '${db:Status-Abbrev} ${Package}\n' ]; do shift; done
		shift
		printf 'ii  %s\n' "$@"
		END
	chmod +x bin/dpkg-query
}
