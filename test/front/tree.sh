# SPDX-License-Identifier: MIT
# For tests of ./dev in a scratch tree. Sourced: the test goes on in the tree, which its end removes.
. "${0%/*}/../fail.sh"

top=$(cd "${0%/*}/../.." && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cd "$tree"
