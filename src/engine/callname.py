#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the table of the names of system calls, from the kernel's header.

callname.py TABLE.c COMPILER…
"""
import re
import subprocess
import sys

CALL = re.compile(r"^#define __NR_(\w+) (\d+)$", re.M)

HEAD = """/* Made by src/engine/callname.py from <asm/unistd_64.h>. */
#include "engine/callname.h"

#include "base/num.h"

#include <stddef.h>

const char *callname_find(uint32_t number)
{
	static const char *const names[] = {
"""
TAIL = """	};

	return number < COUNT(names) ? names[number] : NULL;
}
"""


def main():
    out, *compiler = sys.argv[1:]
    text = subprocess.run([*compiler, "-E", "-dM", "-include", "asm/unistd_64.h", "-x", "c",
                           "/dev/null"], check=True, stdout=subprocess.PIPE, text=True).stdout
    calls = sorted((int(number), name) for name, number in CALL.findall(text))
    with open(out, "w", encoding="utf-8") as f:
        f.write(HEAD)
        f.writelines(f'\t\t[{number}] = "{name}",\n' for number, name in calls)
        f.write(TAIL)


if __name__ == "__main__":
    main()
