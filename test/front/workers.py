#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lab/workers.py runs commands beside each other, keeps the lines of a failed test together, and leaves none behind."""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

LAB = pathlib.Path(__file__).resolve().parent.parent.parent / "lab"
sys.path.insert(0, str(LAB))
import workers


def expect(what, expected, found):
    if expected != found:
        sys.exit(f"FAILED: {what}: {found}, expected {expected}")


def shell(script):
    return ["sh", "-c", script]


def run(most, *scripts):
    """Return: what run() returns, the lines in the order that they were passed on, the seconds."""
    pieces, before = [], time.monotonic()
    well = workers.run([shell(script) for script in scripts], most, pieces.append)
    return well, b"".join(pieces).decode().splitlines(), time.monotonic() - before


with tempfile.TemporaryDirectory() as place:
    # Each waits for the other: only beside each other do they end.
    meet = "touch %s/%s; n=0; until [ -e %s/%s ] || [ $((n += 1)) = 200 ]; do sleep 0.05; done; [ $n -lt 200 ] && echo ok %s"
    well, lines, _ = run(2, meet % (place, "a", place, "b", "a"), meet % (place, "b", place, "a", "b"))
    expect("two at a time", (True, ["ok a", "ok b"]), (well, sorted(lines)))

    # Only one at a time: the second finds what the first has left.
    well, lines, _ = run(1, f"sleep 0.3; touch {place}/left; echo ok a", f"[ -e {place}/left ] && echo ok b")
    expect("one at a time", (True, ["ok a", "ok b"]), (well, lines))

    # 'not ok' is half printed when the other one's results come.
    well, lines, _ = run(2,
                         f"echo 'not ok a'; echo '  why'; touch {place}/half; sleep 1; echo; echo '  and why'; echo ok c",
                         f"until [ -e {place}/half ]; do sleep 0.05; done; echo ok b; echo 'not ok d'; printf '  end'")
    expect("the lines of a failed test", ["not ok a", "  why", "  and why", "ok c"],
           [line for line in lines if line not in ("ok b", "not ok d", "  end")])
    expect("lines beside each other", [1, 1, 1],
           [lines.index(after) - lines.index(before) for before, after in
            (("not ok a", "  why"), ("  why", "  and why"), ("not ok d", "  end"))])
    expect("an early result comes early", "ok b", lines[0])

    well, lines, _ = run(2, "echo ok a; exit 3", "echo ok b")
    expect("a worker that fails", (False, ["ok a", "ok b"]), (well, sorted(lines)))

    # A signal, or kill -9, ends the workers as well.
    for number in (signal.SIGTERM, signal.SIGKILL):
        pids = pathlib.Path(place, "pids")
        pids.write_text("")
        main = subprocess.Popen([sys.executable, "-B", "-c",
                                 "import session, sys, workers\n"
                                 "session.die_on_signals()\n"
                                 f"workers.run([['sh', '-c', 'echo $$ >>{pids}; exec sleep 60']] * 2, 2)"],
                                cwd=LAB, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while len(pids.read_text().split()) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        main.send_signal(number)
        main.wait()
        left = pids.read_text().split()
        while any(os.path.exists(f"/proc/{pid}") for pid in left) and time.monotonic() < end:
            time.sleep(0.05)
        expect(f"workers left after {number.name}", (2, []),
               (len(left), [pid for pid in left if os.path.exists(f"/proc/{pid}")]))
