# SPDX-License-Identifier: MIT
"""What a request costs by packed rings and by split ones: `./dev bench virtio rings`.

Instructions of usher-vmm for a request, of a device that takes it and returns it (driver_rings, under
valgrind). And on null_blk, by two guests that work in turn: processor time of a read, the guest's driver
included.
"""
import contextlib
import pathlib
import re
import statistics
import subprocess
import sys

PROGRAM = pathlib.Path(__file__).resolve().parent.parent / "build/bench/driver_rings"
REQUESTS = 3200
KINDS = {"3 parts": 3, "a table": 0, "1 part": 1}
FORMS = ("split", "packed")
DEPTHS = (1, 32)


def instructions(form, parts, batch):
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                           "--toggle-collect=device_turn", PROGRAM, form, str(parts), str(batch), str(REQUESTS)],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"bench: driver_rings ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1)) / REQUESTS


def count(bar):
    worst = 0.0
    for kind, parts in KINDS.items():
        for batch in DEPTHS:
            split, packed = (instructions(form, parts, batch) for form in FORMS)
            print(f"a request of {kind}, {batch} at once: {split:.0f} instructions by split rings, {packed:.0f} packed")
            worst = max(worst, packed / split)
    bar("rings.packed_instructions_ratio", worst, "<=", 1)


def measure(rounds, readers, timed, bar):
    """@readers: {form: function that starts a guest}; @timed: what a run of reads took of one."""
    found = {(form, depth): [] for form in FORMS for depth in DEPTHS}
    with contextlib.ExitStack() as stack:
        guests = {}
        for form in FORMS:
            guests[form] = readers[form]()
            stack.callback(guests[form].end_now)
        for n in range(rounds + 1):  # the first round warms up
            for depth in DEPTHS:
                for form in FORMS if n % 2 else FORMS[::-1]:
                    cost = timed(guests[form], "vda", depth)
                    if n:
                        found[form, depth].append(cost)
    for depth in DEPTHS:
        judge(depth, *(found[form, depth] for form in FORMS), bar)


def judge(depth, split, packed, bar):
    """Each round is a pair: what disturbs one run disturbs its neighbour. Short: most pairs are."""
    ratios = [a.cpu_us / b.cpu_us for a, b in zip(split, packed)]
    for form, costs in zip(FORMS, (split, packed)):
        print(f"rings depth {depth} {form}: {statistics.median(c.iops for c in costs):.0f} reads/s, "
              f"{statistics.median(c.cpu_us for c in costs):.1f} us of a host processor for each")
    low = sorted(ratios)[len(ratios) * 3 // 4]
    bar(f"rings.depth{depth}.requests_by_cpu_ratio", statistics.median(ratios), ">=", 1, low < 1)
