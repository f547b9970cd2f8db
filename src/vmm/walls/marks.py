#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles the marks of usher-vmm (mark.h) into one seccomp filter for each kind of thread.

marks.py TOP TABLE.c DEPFILE COMPILER…   writes the filters as C, for the build
marks.py --list TOP                      prints the list, which test/golden/walls.txt has
"""
import os
import re
import subprocess
import sys

MARK = re.compile(r"^WALL_(CALL|REFUSE)\(([^;]*)\);", re.M)
KINDS = ["main", "starter", "vcpu", "worker", "outbox", "disk"]
# The starter makes all other threads, and a thread keeps the filter of its maker.
MAKER = "starter"
# The argument that says what is asked for.
ARGUMENT = {"ioctl": 1, "fcntl": 1, "prctl": 0, "madvise": 2, "seccomp": 0, "io_uring_register": 1}
# Memory is never made executable; a new thread is never a new process.
WITHOUT = {"mmap": (2, "PROT_EXEC"), "mprotect": (2, "PROT_EXEC")}
WITH = {"clone": (0, "CLONE_THREAD")}
LEAF = 4  # calls that are compared one by one: fewer of them make the filters longer
FARTHEST = 255  # instructions that a test jumps over: a field of one byte
INCLUDES = ["linux/audit.h", "linux/filter.h", "linux/if_tun.h", "linux/io_uring.h", "linux/kvm.h",
            "linux/seccomp.h", "linux/vfio.h", "linux/vhost.h", "fcntl.h", "sched.h", "stddef.h",
            "sys/ioctl.h", "sys/mman.h", "sys/prctl.h", "sys/syscall.h"]


class BadMark(Exception):
    """A mark that means nothing."""


def sources(top):
    for folder, _, names in sorted(os.walk(top)):
        yield folder
        for name in sorted(names):
            if name.endswith(".c"):
                yield os.path.join(folder, name)


def marks_in(path):
    """The (kinds, call, what is asked for or None, the error that it gets or None) of one file."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for found in MARK.finditer(text):
        words = [" ".join(word.split()) for word in found[2].split(",")]
        where = f"{path}:{text.count(chr(10), 0, found.start()) + 1}"
        if len(words) < 2:
            raise BadMark(f"{where}: a mark names threads and a call")
        kinds = [kind.strip() for kind in words[0].split("|")]
        for kind in kinds:
            if kind not in KINDS + ["every"]:
                raise BadMark(f"{where}: '{kind}' is no kind of thread: {', '.join(KINDS)}")
        if found[1] == "REFUSE":
            if len(words) != 3:
                raise BadMark(f"{where}: a refusal names threads, a call and an error")
            yield kinds, words[1], None, words[2]
            continue
        if (words[1] in ARGUMENT) != (len(words) > 2):
            raise BadMark(f"{where}: {words[1]} " + (
                "needs what it asks for" if words[1] in ARGUMENT else "takes the call alone"))
        yield kinds, words[1], words[2:], None


def collect(top):
    """{kind: {call: set of requests}}, {kind: {call: error}}"""
    calls = {kind: {} for kind in KINDS}
    refused = {kind: {} for kind in KINDS}
    for path in sources(top):
        if os.path.isdir(path):
            continue
        for kinds, call, requests, error in marks_in(path):
            for kind in KINDS if "every" in kinds else dict.fromkeys(kinds + [MAKER]):
                if error:
                    refused[kind][call] = error
                else:
                    calls[kind].setdefault(call, set()).update(requests)
    return calls, without_permitted(calls, refused)


def without_permitted(calls, refused):
    """The maker permits what any other kind may do; another kind's marks must not disagree."""
    for kind in KINDS:
        both = set(calls[kind]) & set(refused[kind])
        if both and kind != MAKER:
            raise BadMark(f"a {kind} thread may make a call that another mark refuses: {both}")
        for call in both:
            del refused[kind][call]
    return refused


def ordered(calls):
    """ioctl comes first, as in the filters."""
    return sorted(calls, key=lambda call: (call != "ioctl", call))


def ordered_requests(requests):
    return sorted(requests, key=lambda request: (request != "KVM_RUN", request))


def argument(index):
    return (f"\tBPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)"
            f" + {8 * index}),")


def verdict(what):
    return f"\tBPF_STMT(BPF_RET | BPF_K, {what}),"


ALLOW, TRAP = verdict("SECCOMP_RET_ALLOW"), verdict("SECCOMP_RET_TRAP")


def jump(test, value, if_true, if_false):
    return f"\tBPF_JUMP(BPF_JMP | BPF_{test} | BPF_K, {value}, {if_true}, {if_false}),"


def among(values):
    """Permits what is one of @values, and nothing else."""
    return [jump("JEQ", value, len(values) - n, 0) for n, value in enumerate(values)] + [TRAP] + [ALLOW] * bool(values)


def body(call, requests):
    """What follows when the number is that of @call."""
    if call in ARGUMENT:
        return [argument(ARGUMENT[call]),
                *among([f"(uint32_t)({request})" for request in ordered_requests(requests)])]
    if call in WITHOUT or call in WITH:
        index, bit = (WITHOUT if call in WITHOUT else WITH)[call]
        first, second = (TRAP, ALLOW) if call in WITHOUT else (ALLOW, TRAP)
        return [argument(index), jump("JSET", bit, 0, 1), first, second]
    return [ALLOW]


def if_call(call, inside):
    return [jump("JEQ", f"SYS_{call}", 0, len(inside)), *inside]


def search(bodies):
    """@bodies: [(call, what follows)], by number."""
    if len(bodies) <= LEAF:
        lines = [line for call, inside in bodies if inside != [ALLOW] for line in if_call(call, inside)]
        return lines + among([f"SYS_{call}" for call, inside in bodies if inside == [ALLOW]])
    half = len(bodies) // 2
    low, high = search(bodies[:half]), search(bodies[half:])
    if len(low) > FARTHEST:
        raise BadMark(f"a test would jump over {len(low)} instructions")
    return [jump("JGE", f"SYS_{bodies[half][0]}", len(low), 0), *low, *high]


def program(kind, calls, refused, numbers):
    """
    ioctl comes first: KVM_RUN is what a processor asks for most. The others are found in a tree: the
    kernel runs a new filter once for each call that there is, to learn which ones it always permits.
    """
    bodies = {call: body(call, calls[call]) for call in calls}
    for call in refused:
        bodies[call] = [verdict(f"SECCOMP_RET_ERRNO | {refused[call]}")]
    last = ["\tBPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xffff0000),", jump("JEQ", "WALL_LAST_CALL", 0, 1),
            verdict("SECCOMP_RET_KILL_PROCESS"), TRAP]
    first = if_call("ioctl", bodies.pop("ioctl")) if "ioctl" in bodies else []
    return [f"static const struct sock_filter {kind}_code[] = {{",
            "\tBPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),",
            jump("JEQ", "AUDIT_ARCH_X86_64", 1, 0), TRAP,
            "\tBPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),", *first,
            jump("JGE", "WALL_LAST_CALL", 0, len(last)), *last,
            *search(sorted(bodies.items(), key=lambda item: numbers[item[0]])), "};"]


def numbers_of(names, compiler):
    """{call: its number}, as the compiler's headers have them."""
    text = "#include <sys/syscall.h>\n" + "".join(f"call {name} SYS_{name}\n" for name in names)
    said = subprocess.run([*compiler, "-E", "-P", "-x", "c", "-"], input=text, check=True,
                          capture_output=True, text=True).stdout
    return {name: int(number) for name, number in re.findall(r"^call (\w+) (\d+)$", said, re.M)}


def table(calls, refused, numbers):
    lines = ["/* Made by src/vmm/walls/marks.py from the marks in src/vmm. */",
             '#include "vmm/walls/filter.h"', '#include "vmm/thread.h"', ""]
    lines += [f"#include <{name}>" for name in ["errno.h"] + INCLUDES]
    lines += ["", "#ifndef MADV_COLLAPSE", "#define MADV_COLLAPSE 25 /* Linux 6.1 */", "#endif"]
    for kind in KINDS:
        lines += [""] + program(kind, calls[kind], refused[kind], numbers)
    lines += ["", "const struct wall_filter wall_filters[THREAD_KINDS] = {"]
    for kind in KINDS:
        lines.append(f"\t[THREAD_{kind.upper()}] = {{{kind}_code, sizeof({kind}_code) /"
                     f" sizeof({kind}_code[0])}},")
    return lines + ["};", ""]


def listing(calls, refused):
    """One line for each call; of the maker, which may do what all others may, its own alone."""
    others = {}
    for kind in KINDS:
        for call, requests in calls[kind].items() if kind != MAKER else ():
            others.setdefault(call, set()).update(requests)
    for kind in KINDS:
        mine = calls[kind]
        if kind == MAKER:
            mine = {call: requests - others.get(call, set()) for call, requests in mine.items()
                    if call not in others or requests - others[call]}
        yield f"{kind}: {len(mine)} calls" + (
            ", and those of all others" if kind == MAKER else "")
        for call in ordered(mine):
            yield f"  {call}" + "".join(f"\n    {r}" for r in ordered_requests(mine[call]))
        for call in sorted(refused[kind]):
            yield f"  not {call}: {refused[kind][call]}"


def main():
    try:
        if sys.argv[1] == "--list":
            print("\n".join(listing(*collect(sys.argv[2]))))
            return 0
        top, out, depfile, *compiler = sys.argv[1:]
        calls, refused = collect(top)
        lines = table(calls, refused, numbers_of(set().union(*calls.values(), *refused.values()), compiler))
    except BadMark as bad:
        print(bad, file=sys.stderr)
        return 1
    with open(out, "w", encoding="utf-8") as f:
        f.write("\n".join(lines))
    with open(depfile, "w", encoding="utf-8") as f:
        f.write(f"{out}: " + " ".join(sources(top)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
