#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: server
# timeout: 400
# A few of the random rounds that './dev bench rounds' does by the hundred, always the same ones.
. "${0%/*}/lib.sh"

python3 -B "$top/bench/rounds" --inside --strict --rounds 20 --seed 7 || fail 'see above'
