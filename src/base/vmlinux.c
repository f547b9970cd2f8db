/* SPDX-License-Identifier: MIT */
#include "base/vmlinux.h"

#include "base/clean.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PVH_NOTE_NAME "Xen"
#define PVH_NOTE_TYPE 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
#define NOTES_MAX KIB(64)
#define PAGE 4096

#define BZIMAGE_MAGIC_OFF 0x202
#define BZIMAGE_MAGIC "HdrS"

struct image {
	int fd;
	uint64_t size;
};

static int bad_image(struct err *e, const char *why)
{
	return err_say(e, -ENOEXEC, "%s", why);
}

/* Most people have a compressed image at hand: the message says what it is, and what to do. */
static int not_elf(const struct image *im, struct err *e)
{
	char magic[4];

	if (fd_pread_full(im->fd, magic, sizeof(magic), BZIMAGE_MAGIC_OFF) < 0 ||
		memcmp(magic, BZIMAGE_MAGIC, sizeof(magic)) != 0)
		return bad_image(e, "not a kernel image (no ELF header)");
	(void)bad_image(e, "a compressed image (bzImage), not the vmlinux inside it");
	err_hint(e, "'usher run' unpacks it; usher-vmm needs the unpacked ELF file");
	return -ENOEXEC;
}

static int read_header(const struct image *im, Elf64_Ehdr *h, struct err *e)
{
	if (im->size < sizeof(*h) || fd_pread_full(im->fd, h, sizeof(*h), 0) < 0 ||
		memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
		return not_elf(im, e);
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
		h->e_machine != EM_X86_64)
		return bad_image(e, "an ELF file, but not of 64-bit x86");
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		return bad_image(e, "an ELF file that cannot be executed");
	if (h->e_phentsize != sizeof(Elf64_Phdr) || !h->e_phnum ||
		h->e_phnum > VMLINUX_SEGMENTS_MAX)
		return bad_image(e, "an ELF file with invalid program headers");
	return 0;
}

static int read_segments(
	const struct image *im, const Elf64_Ehdr *h, Elf64_Phdr *segments, struct err *e)
{
	size_t len = h->e_phnum * sizeof(*segments);

	if (!range_ok(h->e_phoff, len, im->size))
		return bad_image(e, "cut short within its program headers");
	int r = fd_pread_full(im->fd, segments, len, (off_t)h->e_phoff);
	return r < 0 ? err_set(e, r, "read it") : 0;
}

static int add_segment(
	const struct image *im, const Elf64_Phdr *p, struct vmlinux *k, struct err *e)
{
	if (p->p_filesz > p->p_memsz || !range_ok(p->p_offset, p->p_filesz, im->size))
		return bad_image(e, "cut short, or a segment lies outside the file");
	if (!p->p_memsz)
		return 0;
	if (p->p_paddr < VMLINUX_MIN)
		return bad_image(e, "needs memory below 1 MiB");
	k->segments[k->count++] = (struct vmlinux_segment){
		.off = p->p_offset,
		.file_size = p->p_filesz,
		.address = p->p_paddr,
		.size = p->p_memsz,
	};
	/* One beyond the last address fits into no memory: its loader says so. */
	uint64_t room = UINT64_MAX - p->p_paddr;
	k->end = max_u64(k->end, p->p_paddr + min_u64(p->p_memsz, room));
	return 0;
}

/* Searches notes for the entry. Return: whether it is there. */
static bool find_entry(const uint8_t *notes, uint64_t len, uint32_t *ret)
{
	uint64_t off = 0;

	while (range_ok(off, sizeof(Elf64_Nhdr), len)) {
		uint64_t name_len = le32_get(notes + off);
		uint64_t desc_len = le32_get(notes + off + 4);
		uint32_t type = le32_get(notes + off + 8);
		uint64_t name = off + sizeof(Elf64_Nhdr);
		uint64_t desc = name + align_up(name_len, 4);

		if (!range_ok(name, name_len, len) || !range_ok(desc, desc_len, len))
			return false;
		if (type == PVH_NOTE_TYPE && name_len == sizeof(PVH_NOTE_NAME) &&
			memcmp(notes + name, PVH_NOTE_NAME, sizeof(PVH_NOTE_NAME)) == 0 &&
			desc_len >= 4) {
			*ret = le32_get(notes + desc);
			return true;
		}
		off = desc + align_up(desc_len, 4);
	}
	return false;
}

static bool read_note(const struct image *im, const Elf64_Phdr *p, uint32_t *ret)
{
	cleanup_free uint8_t *notes = NULL;

	if (!p->p_filesz || p->p_filesz > NOTES_MAX ||
		!range_ok(p->p_offset, p->p_filesz, im->size))
		return false;
	notes = malloc(p->p_filesz);
	if (!notes || fd_pread_full(im->fd, notes, p->p_filesz, (off_t)p->p_offset) < 0)
		return false;
	return find_entry(notes, p->p_filesz, ret);
}

static int read_elf(const struct image *im, struct vmlinux *k, struct err *e)
{
	Elf64_Phdr segments[VMLINUX_SEGMENTS_MAX] = {0};
	Elf64_Ehdr h = {0};
	bool found = false;

	int r = read_header(im, &h, e);
	if (r < 0)
		return r;
	r = read_segments(im, &h, segments, e);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < h.e_phnum && !found; i++)
		if (segments[i].p_type == PT_NOTE)
			found = read_note(im, &segments[i], &k->entry);
	if (!found)
		return bad_image(e, "no PVH entry (built without CONFIG_PVH)");
	for (unsigned i = 0; i < h.e_phnum; i++) {
		r = segments[i].p_type == PT_LOAD ? add_segment(im, &segments[i], k, e) : 0;
		if (r < 0)
			return r;
	}
	if (k->entry < VMLINUX_MIN || k->entry >= k->end)
		return bad_image(e, "its PVH entry lies outside its segments");
	return 0;
}

int vmlinux_read(int fd, struct vmlinux *ret, struct err *e)
{
	struct image im = {.fd = fd};
	struct stat st;

	*ret = (struct vmlinux){0};
	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "stat it");
	im.size = (uint64_t)st.st_size;
	return read_elf(&im, ret, e);
}

int vmlinux_place_initrd(uint64_t size, uint64_t floor, uint64_t top, uint64_t *ret)
{
	if (size > top || align_down(top - size, PAGE) < floor)
		return -ENOMEM;
	*ret = align_down(top - size, PAGE);
	return 0;
}
