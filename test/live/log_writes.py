#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether what a guest has flushed was on its disk: by the log of the kernel's dm-log-writes.

log_writes.py LOG: the log is a device or a file. The writes of round N contain 'write N.', and a mark
'flushed-N' came when the guest's flush had returned. Before each mark there has to be a flush that is
later than all writes of the round. Exits 1, and says so, if one is not.

Ref: Documentation/admin-guide/device-mapper/log-writes.rst, drivers/md/dm-log-writes.c
"""
import re
import struct
import sys

MAGIC = 0x6A736677736872
FLUSH, DISCARD, MARK = 1, 4, 8


def entries(file):
    """(flags, bytes) of each entry, in the order in which the log has them."""
    magic, _, count, sector = struct.unpack("<QQQI", file.read(28))
    if magic != MAGIC:
        sys.exit("log_writes: this is no log")
    at = sector
    for _ in range(count):
        file.seek(at)
        _, sectors, flags, length = struct.unpack("<QQQQ", file.read(32))
        at += sector
        if flags & MARK:
            yield flags, file.read(length)
            continue
        size = 0 if flags & DISCARD else sectors * sector
        file.seek(at)
        yield flags, file.read(size)
        at += size


def main():
    rounds, wrong = 0, 0
    written = {}  # of each round: how many of its writes
    flushed = {}  # of each round: how many of them are behind a flush
    with open(sys.argv[1], "rb") as file:
        for flags, data in entries(file):
            if flags & MARK:
                mark = re.fullmatch(rb"flushed-(\d+)\0?", data)
                if not mark:
                    continue
                number = int(mark[1])
                rounds += 1
                if not written.get(number) or flushed.get(number) != written[number]:
                    wrong += 1
                    print(f"round {number}: {written.get(number, 0)} writes, "
                          f"{flushed.get(number, 0)} before a flush")
                continue
            # A flush comes with the log's entry of a write, or alone. It covers what is before it.
            if flags & FLUSH:
                flushed.update(written)
            for number in set(map(int, re.findall(rb"write (\d+)\.", data))):
                written[number] = written.get(number, 0) + 1
    print(f"{rounds} rounds, {wrong} not on the disk")
    return 1 if wrong or not rounds else 0


if __name__ == "__main__":
    sys.exit(main())
