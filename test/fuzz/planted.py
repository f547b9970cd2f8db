#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Known bugs, each compiled into a copy of a fuzzer, and how soon that finds it.

planted.py SOURCES BUILD [WORD…]  BUILD: of ./dev fuzz; with WORDs, those whose description has one
planted.py SOURCES --check        each bug can still be planted: its place is there, once

A bug replaces a text of one source file. The changed file is compiled as BUILD compiles it, and linked in
front of the libraries, whose own object is then left out. Of a header, these are the files that include it.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import time

SECONDS = 60

# fuzzer, file, what is wrong, text, instead of it
BUGS = [
    ("pair", "src/vmm/pci/space.c", "a page that comes back is trapped as well",
     "\t\tbus_remove(p->bus, &p->range);\n\t\tp->state = FUNC_PIECE_MAPPED;",
     "\t\tp->state = FUNC_PIECE_MAPPED;"),
    ("pair", "src/vmm/pci/space.c", "a page outlives its device",
     "\t\tif (p->state == FUNC_PIECE_MAPPED)\n\t\t\tsteps",
     "\t\tif (p->state == FUNC_PIECE_MAPPED && !p->range.reads)\n\t\t\tsteps"),
    ("pair", "src/vmm/pass/domain.c", "a BAR stays mapped for other devices' DMA",
     "if (g->peers && vfio_ioas_unmap(", "if (g->peers && r->size != 0x4000 && vfio_ioas_unmap("),
    ("wire", "src/wire/machine.c", "a device's descriptor is also the I/O address space",
     "return use == USE_IOAS && l->uses[index] == USE_IOAS;", "return use == USE_IOAS;"),
    ("wire", "src/wire/message.c", "a refused message leaves its descriptors open",
     "\tif (r < 0) {\n\t\twire_close(&came);", "\tif (r < 0) {"),
    ("wire", "src/wire/machine.c", "a name has a byte that a terminal obeys",
     "if (*c < 0x21 || *c > 0x7e)", "if (*c < 0x21)"),
    ("capability", "src/pci/capability.c", "a list of capabilities that is a ring has no end",
     "range_ok(off, 4, c->size) && !trail_visit(&trail, off)", "range_ok(off, 4, c->size)"),
    ("control", "src/control/request.c", "a timeout has no bound",
     " || n > most)", ")"),
    ("control", "src/control/line.c", "a quotation mark ends a text",
     "bool plain = n && c != '\"' && ", "bool plain = n && "),
    ("control", "src/engine/control_client.c", "more comes than there is room for",
     "size_t room = sizeof(c->line) - c->line_len;",
     "size_t room = sizeof(c->line) + 64 - c->line_len;"),
    ("boot", "src/vmm/boot.c", "the zeros of a segment may lie behind guest memory",
     "memory_ram(im->memory, GPA(s->address), s->size)",
     "memory_ram(im->memory, GPA(s->address), s->file_size)"),
    ("snapshot", "src/host/manifest.c", "bytes are written behind the end of a file",
     "if (byte < 0 || off >= size)", "if (byte < 0)"),
    ("layout", "src/vfio/layout.c", "the window lies in what AMD reserves",
     "base = end > reserved ? max_u64(base, BIT64(bits)) : end;",
     "base = end > reserved ? max_u64(base, reserved) : end;"),
    ("layout", "src/vfio/layout.c", "a piece of RAM is lost",
     "\tf->left -= size;", "\tf->left -= align_up(size, PIECE_ALIGN);"),
    ("layout", "src/vfio/layout.c", "memory lies behind the end of what the IOMMU translates",
     "s->last.v < end ? s->last.v + 1 : end);", "end);"),
    ("aperture", "src/pci/aperture.c", "BARs overlap where one is no power of two",
     "at = start + claims[i].size;", "at = start + claims[i].align;"),
    ("aperture", "src/vmm/pass/bar.c", "the page of an MSI-X table is mapped",
     "holes[i].off < page + MEMORY_PAGE)", "holes[i].off <= page)"),
    ("aperture", "src/pci/aperture.c", "a bridge's window has no room for alignment",
     "sum.size = align_up(sum.size, align) + claims[i].size;", "sum.size += claims[i].size;"),
    ("machine", "src/vmm/cpuid.c", "addresses are wider than those of devices",
     "if (s->phys_bits && s->phys_bits < (e->eax & 0xff))",
     "if (s->phys_bits && s->phys_bits + 1 < (e->eax & 0xff))"),
    ("machine", "src/vmm/acpi/acpi.c", "the sum leaves a byte out",
     "h[9] = sum_to_zero(h, len);", "h[9] = sum_to_zero(h, len - 1);"),
    ("machine", "src/vmm/cpuid.c", "a timer is promised that KVM does not have",
     "\tif (s->tsc_deadline)\n\t\te->ecx |= ECX_TSC_DEADLINE;", "\te->ecx |= ECX_TSC_DEADLINE;"),
    ("queue", "src/vmm/virtio/queue.c", "a chain of before the reset is returned",
     "if (done[i].generation != q->generation || q->broken)", "if (q->broken)"),
    ("queue", "src/vmm/virtio/queue_desc.h", "a chain has one part too many",
     "if (c->part_count == VIRTQ_PARTS_MAX)", "if (c->part_count > VIRTQ_PARTS_MAX)"),
    ("queue", "src/vmm/virtio/queue_copy.c", "the sizes of the parts wrap",
     "if (!range_ok(off, len, c->in_size))", "if (off + len > c->in_size)"),
    ("queue", "src/vmm/virtio/queue_packed.c", "a packed ring has one entry more at its end",
     "if (index < q->size)", "if (index <= q->size)"),
    ("queue", "src/vmm/virtio/queue_packed.c", "an entry that came back is taken again",
     "(ret->desc.flags & (available | used)) == (q->avail_place & LAP ? available : used);",
     "!(ret->desc.flags & available) == !(q->avail_place & LAP) || !used;"),
    ("queue", "src/vmm/virtio/queue_packed.c", "more packed chains are taken than there are entries",
     "if (q->taken == q->size)", "if (q->taken > q->size)"),
    ("balloon", "src/vmm/virtio/balloon_pages.c", "a range has a page too many",
     "(uint64_t)(next - i) << PAGE_SHIFT)", "(uint64_t)(next - i + 1) << PAGE_SHIFT)"),
    ("balloon", "src/vmm/virtio/balloon_pages.c", "a part of a page is given back with its end",
     "align_down(p->size - skip, MEMORY_PAGE)", "align_down(p->size + MEMORY_PAGE - 1, MEMORY_PAGE)"),
    ("balloon", "src/vmm/virtio/balloon_pages.c", "memory that the guest only reads is given back",
     "memory_iov(b->memory, gpa, len, true, pieces, PIECES)",
     "memory_iov(b->memory, gpa, len, false, pieces, PIECES)"),
    ("blk", "src/vmm/virtio/blk_request.c", "sectors wrap",
     "if (!range_ok(sector, count, d->size / BLK_SECTOR))",
     "if (sector + count > d->size / BLK_SECTOR)"),
    ("blk", "src/vmm/virtio/blk_request.c", "more segments than there is room for",
     "size % sizeof(s[0]) || size > sizeof(s) ||", "size % sizeof(s[0]) ||"),
    ("blk", "src/vmm/virtio/blk_request.c", "a read-only disk is discarded",
     "if (d->readonly || !size ||", "if (!size ||"),
    ("blk", "src/vmm/virtio/blk_io.c", "zeroes are written behind a range",
     "step = min_u64(g->len - done, BOUNCE_SIZE);", "step = BOUNCE_SIZE;"),
    ("console", "src/vmm/virtio/console_control.c", "a port that is not there is opened",
     "if (id >= c->port_count)", "if (id > c->port_count)"),
    ("console", "src/vmm/virtio/console_port.c", "a chain of before the reset is sent",
     "if (p->out_held && p->out_chain.generation == q->generation)", "if (p->out_held && q)"),
    ("console", "src/vmm/virtio/console_port.c", "input goes into memory of before the reset",
     "if (!p->in_held || p->in_chain.generation != q->generation)", "if (!p->in_held)"),
    ("net", "src/vmm/virtio/net_header.c", "a checksum lies over the end of its frame",
     "if (h->flags && sum + 2 > size)", "if (h->flags && sum > size)"),
    ("net", "src/vmm/virtio/net_copy.c", "a frame is longer than there is room for",
     "|| chain->out_size > sizeof(c->out))", "|| chain->out_size > sizeof(c->out) + 64)"),
    ("net", "src/vmm/virtio/net_ctrl.c", "more pairs are used than there are",
     "return pairs <= most ? pairs : 0;", "return pairs;"),
    ("net", "src/vmm/virtio/net_line.c", "a stream's frame may have any length",
     "return length >= NET_FRAME_MIN && length <= NET_FRAME_MAX;",
     "return length >= NET_FRAME_MIN;"),
    ("net", "src/vmm/virtio/net_filter.c", "the host's loopback is reached by 0.0.0.0",
     " && frame[IPV4_TARGET] != 0;", ";"),
    ("net", "src/vmm/virtio/net_batch.c", "more is copied than the beginning of a frame",
     "copied = min_u64(size, NET_BATCH_HEAD);", "copied = size;"),
    ("vhost_user", "src/vmm/vhost_user/message.c", "an answer is shorter than the question asks for",
     "h->flags & FLAG_REPLY && h->size == size;", "h->flags & FLAG_REPLY && h->size <= size;"),
    ("vhost_user", "src/vmm/vhost_user/message.c", "a second descriptor comes, and stays open",
     "h.msg_controllen = CMSG_LEN(sizeof(int));", "h.msg_controllen = sizeof(room);"),
    ("vhost_user", "src/vmm/vhost_user/link.c", "a used ring ends outside of memory",
     "q->size * sizeof(struct vring_used_elem) + 2)", "2)"),
    ("vhost_user", "src/vmm/vhost_user/link.c", "a back end gets memory that the guest only reads",
     "\t\tif (ram[i].readonly)\n\t\t\tcontinue;\n", ""),
    ("vhost_user", "src/vmm/vhost_user/link.c", "a refusal counts as done",
     "return answer.payload.number ? -EREMOTEIO : 0;", "return 0;"),
    ("image", "src/image/grub.c", "a menu that is left out has entries",
     "branch_runs(m) && (parent == NO_PARENT || parent < m->count);", "branch_runs(m);"),
    ("image", "src/image/entry.c", "there is no room for an initial RAM disk",
     "b->initrd_count < ENTRY_INITRDS_MAX", "b->initrd_count <= ENTRY_INITRDS_MAX"),
    ("image", "src/image/loader.c", "an initial RAM disk is not there",
     "if (!path_resolve(t, prefix, b->initrds[i]))\n\t\t\treturn -ENOENT;",
     "(void)path_resolve(t, prefix, b->initrds[i]);"),
    ("guestfile", "src/engine/guestfile.c", "a value without its second quotation mark goes on",
     "for (; *value && *value != '\"'; value++)", "for (; *value != '\"'; value++)"),
    ("guestfile", "src/engine/guestfile.c", "a written value loses the blank at its end",
     "strchr(BLANKS, value[len - 1]) ||\n\t       has_comment(value)", "has_comment(value)"),
    ("guestfile", "src/cli/guestwords.c", "a comma in a value makes another key",
     "if (!k->value || !strchr(k->value, ','))", "if (rd)"),
    ("guestfile", "src/cli/guestwords.c", "a section has one key too many",
     "if (rd->section->count > WORD_PARTS_MAX)", "if (rd->section->count > WORD_PARTS_MAX + 1)"),
]


def plant(top, file, text, instead):
    source = (top / file).read_text()
    if source.count(text) != 1:
        sys.exit(f"planted: {file} has this {source.count(text)} times, not once:\n{text}")
    return source.replace(text, instead)


def compile_bug(build, top, file, source, work):
    changed = work / pathlib.Path(file).relative_to("src")
    changed.parent.mkdir(parents=True)
    changed.write_text(source)
    include = f'#include "{pathlib.Path(file).relative_to("src")}"'
    made = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(build, entry["file"]).resolve()
        if not path.is_relative_to(top / "src"):
            continue
        is_it = path == top / file
        if not is_it and not (file.endswith(".h") and include in path.read_text()):
            continue
        made.append(str(work / f"planted{len(made)}.o"))
        command = entry["command"].replace(entry["output"], made[-1])
        command = command.rpartition(" -c ")[0] + f" -iquote {work} -c {changed if is_it else path}"
        subprocess.run(command, shell=True, cwd=build, check=True)
    if not made:
        sys.exit(f"planted: {build} does not compile {file}")
    return " ".join(made)


def link(build, fuzzer, made, work):
    target = f"test/fuzz/fuzz_{fuzzer}"
    said = subprocess.run(["ninja", "-C", build, "-t", "commands", "-s", target], check=True,
                          capture_output=True, text=True).stdout
    command = next(line for line in said.splitlines() if f"-o {target} " in line)
    out = work / "fuzzer"
    subprocess.run(command.replace(f"-o {target} ", f"-o {out} {made} "), shell=True, cwd=build, check=True)
    return out


def hunt(program, seeds, work):
    """Seconds until it is found; None if it is not."""
    found = work / "found"
    found.mkdir()
    started = time.monotonic()
    done = subprocess.run([program, f"-max_total_time={SECONDS}", "-timeout=5", "-seed=1",
                           f"-artifact_prefix={work}/", found, seeds],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.monotonic() - started if done.returncode else None


def main():
    top = pathlib.Path(sys.argv[1]).resolve()
    if sys.argv[2] == "--check":
        for _, file, _, text, instead in BUGS:
            plant(top, file, text, instead)
        return 0
    build, wanted = pathlib.Path(sys.argv[2]).resolve(), sys.argv[3:]
    missed = 0
    for fuzzer, file, what, text, instead in BUGS:
        if wanted and not any(word in what for word in wanted):
            continue
        with tempfile.TemporaryDirectory() as name:
            work = pathlib.Path(name)
            made = compile_bug(build, top, file, plant(top, file, text, instead), work)
            seconds = hunt(link(build, fuzzer, made, work), top / "test/fuzz/corpus" / fuzzer, work)
        missed += seconds is None
        print(f"{fuzzer}: {what}: " + (f"found after {seconds:.1f} s" if seconds else "NOT found"), flush=True)
    print(f"bar fuzz.planted_missed {missed} <= 0 {'short' if missed else 'ok'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
