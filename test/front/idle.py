#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/idle.py marks the bars that were measured while other programs had the processors, and no others."""
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "bench"))
import idle

BAR = "bar list.time_ratio 0.31 <= 0.5 ok\n"


def marks(needs, processors, *steps):
    """What becomes of a bar after each step (seconds, used by all, used by us)."""
    readings = [idle.Reading(0, 0, 0)]
    for seconds, used, ours in steps:
        at, all_used, all_ours = readings[-1]
        readings.append(idle.Reading(at + seconds, all_used + used, all_ours + ours))
    left = iter(readings)
    watch = idle.Watch(needs, processors, lambda: next(left))
    return [watch.mark(BAR).endswith(" busy\n") for _ in steps]


def expect(what, expected, found):
    if expected != found:
        sys.exit(f"FAILED: {what}: {found}, expected {expected}")


expect("an idle machine", [False], marks(2, 2, (10, 15.5, 15)))
expect("one of two processors is in use", [True], marks(2, 2, (10, 20, 12)))
expect("there are processors enough", [False], marks(2, 16, (10, 100, 15)))
expect("too few for the others", [True], marks(2, 16, (10, 160, 12)))
expect("only one is needed", [False], marks(1, 2, (10, 20, 10)))
expect("it changes", [False, True, False], marks(2, 2, (9, 9, 9), (9, 18, 9), (9, 9, 9)))
expect("bars in a row have one verdict", [True, True], marks(2, 2, (10, 20, 12), (0.01, 0.01, 0.01)))
watch = idle.Watch(2, 2, iter([idle.Reading(0, 0, 0)] + [idle.Reading(9, 18, 1)] * 2).__next__)
expect("other lines", "hello\n", watch.mark("hello\n"))
expect("a marked bar", BAR[:-1] + " busy\n", watch.mark(BAR))

# What a child uses is ours, while it runs and after its end; what others use is not.
spin = [sys.executable, "-c", "import time\nend = time.monotonic() + 0.6\nwhile time.monotonic() < end: pass"]
before = idle.read()
with subprocess.Popen(spin) as child:
    time.sleep(0.5)
    during = idle.read()
after = idle.read()
expect("a running child counts as ours", True, during.ours > before.ours)
expect("a child that ended counts as ours", True, after.ours >= during.ours)
expect("all that is used includes ours", True, after.used - before.used + 0.05 >= after.ours - before.ours)
