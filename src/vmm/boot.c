/* SPDX-License-Identifier: MIT */
#include "vmm/boot.h"

#include "base/clean.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/copy.h"
#include "vmm/memory.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PVH_NOTE_NAME "Xen"
#define PVH_NOTE_TYPE 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
#define PVH_MAGIC 0x336ec578

#define SEGMENTS_MAX 64
#define NOTES_MAX KIB(64)

#define BZIMAGE_MAGIC_OFF 0x202
#define BZIMAGE_MAGIC "HdrS"

/* Fields of struct hvm_start_info, version 1, and of the tables that it points to. */
#define INFO_MAGIC 0
#define INFO_VERSION 4
#define INFO_MODULES 12
#define INFO_MODLIST 16
#define INFO_CMDLINE 24
#define INFO_RSDP 32
#define INFO_MEMMAP 40
#define INFO_MAP_ENTRIES 48
#define INFO_SIZE 56
#define MODULE_SIZE 32
#define MAP_ENTRY_SIZE 24

/* One image while it is loaded. */
struct image {
	char path[PATH_MAX]; /* for messages */
	int fd;
	uint64_t size;
	struct memory *memory;
};

/* The keeper hands files over as /proc/self/fd/N; a user looks for the file that N stands for. */
static void image_set_path(struct image *im, const char *path)
{
	char link[32];

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", im->fd);
	ssize_t len = readlink(link, im->path, sizeof(im->path) - 1);
	if (len > 0)
		im->path[len] = '\0';
	else
		(void)snprintf(im->path, sizeof(im->path), "%s", path);
}

static int open_file(struct image *im, const char *path, const char *what, struct err *e)
{
	struct stat st;

	im->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (im->fd < 0)
		return err_set(e, -errno, "open %s '%s'", what, path);
	image_set_path(im, path);
	if (fstat(im->fd, &st) < 0)
		return err_set(e, -errno, "stat %s '%s'", what, im->path);
	if (!S_ISREG(st.st_mode))
		return err_say(e, -ENOEXEC, "load %s '%s': not a regular file", what, im->path);
	im->size = (uint64_t)st.st_size;
	(void)posix_fadvise(im->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

static int bad_image(const struct image *im, struct err *e, const char *why)
{
	return err_say(e, -ENOEXEC, "load kernel '%s': %s", im->path, why);
}

/* Most people have a compressed image at hand: the message says what it is, and what to do. */
static int not_elf(const struct image *im, struct err *e)
{
	char magic[4];

	if (fd_pread_full(im->fd, magic, sizeof(magic), BZIMAGE_MAGIC_OFF) < 0 ||
		memcmp(magic, BZIMAGE_MAGIC, sizeof(magic)) != 0)
		return bad_image(im, e, "not a kernel image (no ELF header)");
	(void)bad_image(im, e, "a compressed image (bzImage), not the vmlinux inside it");
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
		return bad_image(im, e, "an ELF file, but not of 64-bit x86");
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		return bad_image(im, e, "an ELF file that cannot be executed");
	if (h->e_phentsize != sizeof(Elf64_Phdr) || !h->e_phnum || h->e_phnum > SEGMENTS_MAX)
		return bad_image(im, e, "an ELF file with invalid program headers");
	return 0;
}

static int read_segments(
	const struct image *im, const Elf64_Ehdr *h, Elf64_Phdr *segments, struct err *e)
{
	size_t len = h->e_phnum * sizeof(*segments);

	if (!range_ok(h->e_phoff, len, im->size))
		return bad_image(im, e, "cut short within its program headers");
	int r = fd_pread_full(im->fd, segments, len, (off_t)h->e_phoff);
	return r < 0 ? err_set(e, r, "read kernel '%s'", im->path) : 0;
}

static int load_segment(
	const struct image *im, const Elf64_Phdr *p, struct boot_kernel *k, struct err *e)
{
	if (p->p_filesz > p->p_memsz || !range_ok(p->p_offset, p->p_filesz, im->size))
		return bad_image(im, e, "cut short, or a segment lies outside the file");
	if (!p->p_memsz)
		return 0;
	if (p->p_paddr < BOOT_KERNEL_MIN)
		return bad_image(im, e, "needs memory below 1 MiB");
	char *to = memory_ram(im->memory, GPA(p->p_paddr), p->p_memsz);
	if (!to)
		return err_say(e, -ENOMEM,
			"load kernel '%s': needs 0x%" PRIx64 " bytes of memory at 0x%" PRIx64
			": the guest has %" PRIu64 " MiB",
			im->path, p->p_memsz, p->p_paddr, im->memory->ram_size >> 20);
	int r = fd_pread_full(im->fd, to, p->p_filesz, (off_t)p->p_offset);
	if (r < 0)
		return err_set(e, r, "read kernel '%s'", im->path);
	/* New memory is zero, and a write would make its pages present. */
	if (im->memory->used)
		(void)memory_fill(
			im->memory, GPA(p->p_paddr + p->p_filesz), 0, p->p_memsz - p->p_filesz);
	k->end = max_u64(k->end, p->p_paddr + p->p_memsz);
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

static int load_elf(const struct image *im, struct boot_kernel *ret, struct err *e)
{
	Elf64_Phdr segments[SEGMENTS_MAX] = {0};
	struct boot_kernel k = {0};
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
			found = read_note(im, &segments[i], &k.entry);
	if (!found)
		return bad_image(im, e, "no PVH entry (built without CONFIG_PVH)");
	for (unsigned i = 0; i < h.e_phnum; i++) {
		r = segments[i].p_type == PT_LOAD ? load_segment(im, &segments[i], &k, e) : 0;
		if (r < 0)
			return r;
	}
	if (k.entry < BOOT_KERNEL_MIN || k.entry >= k.end)
		return bad_image(im, e, "its PVH entry lies outside its segments");
	*ret = k;
	return 0;
}

int boot_load_kernel(struct memory *m, const char *path, struct boot_kernel *ret, struct err *e)
{
	struct image im = {.memory = m, .fd = -1};

	int r = open_file(&im, path, "kernel", e);
	if (r >= 0)
		r = load_elf(&im, ret, e);
	fd_close(&im.fd);
	return r;
}

static int load_initrd(const struct image *im, uint64_t floor, uint64_t top,
	struct boot_initrd *ret, struct err *e)
{
	if (im->size > top || align_down(top - im->size, MEMORY_PAGE) < floor)
		return err_say(e, -ENOMEM,
			"load initrd '%s': %" PRIu64
			" bytes do not fit into guest memory beside the kernel",
			im->path, im->size);
	gpa_t at = GPA(align_down(top - im->size, MEMORY_PAGE));
	void *to = memory_ram(im->memory, at, im->size);
	if (!to)
		return err_say(e, -ENOMEM, "load initrd '%s': no guest memory there", im->path);
	int r = fd_pread_full(im->fd, to, im->size, 0);
	if (r < 0)
		return err_set(e, r, "read initrd '%s'", im->path);
	*ret = (struct boot_initrd){.gpa = at, .size = im->size};
	return 0;
}

int boot_load_initrd(struct memory *m, const char *path, uint64_t floor, uint64_t top,
	struct boot_initrd *ret, struct err *e)
{
	struct image im = {.memory = m, .fd = -1};

	int r = open_file(&im, path, "initrd", e);
	if (r >= 0)
		r = load_initrd(&im, floor, top, ret, e);
	fd_close(&im.fd);
	return r;
}

void boot_add_map(struct boot_info *b, uint64_t base, uint64_t size, enum boot_memory type)
{
	if (size && b->count < BOOT_MEMMAP_MAX)
		b->map[b->count++] = (struct boot_memmap){base, size, type};
}

static void encode_map(const struct boot_info *b, uint8_t map[BOOT_MEMMAP_MAX * MAP_ENTRY_SIZE])
{
	for (size_t i = 0; i < b->count; i++) {
		le64_put(map + i * MAP_ENTRY_SIZE, b->map[i].base);
		le64_put(map + i * MAP_ENTRY_SIZE + 8, b->map[i].size);
		le32_put(map + i * MAP_ENTRY_SIZE + 16, b->map[i].type);
	}
}

static void encode_info(const struct boot_info *b, uint8_t info[INFO_SIZE])
{
	le32_put(info + INFO_MAGIC, PVH_MAGIC);
	le32_put(info + INFO_VERSION, 1);
	le32_put(info + INFO_MODULES, b->initrd.size ? 1 : 0);
	le64_put(info + INFO_MODLIST, BOOT_MODULES);
	le64_put(info + INFO_CMDLINE, BOOT_CMDLINE);
	le64_put(info + INFO_RSDP, b->rsdp.v);
	le64_put(info + INFO_MEMMAP, BOOT_MEMMAP);
	le32_put(info + INFO_MAP_ENTRIES, (uint32_t)b->count);
}

int boot_write_info(struct memory *m, const struct boot_info *b, struct err *e)
{
	uint8_t info[INFO_SIZE] = {0}, module[MODULE_SIZE] = {0};
	uint8_t map[BOOT_MEMMAP_MAX * MAP_ENTRY_SIZE] = {0};
	size_t cmdline_len = strlen(b->cmdline) + 1;

	if (cmdline_len > BOOT_CMDLINE_MAX)
		return err_say(e, -E2BIG, "set the kernel's command line: longer than %d bytes",
			BOOT_CMDLINE_MAX - 1);
	encode_info(b, info);
	encode_map(b, map);
	if (b->initrd.size) {
		le64_put(module, b->initrd.gpa.v);
		le64_put(module + 8, b->initrd.size);
	}
	if (memory_write(m, GPA(BOOT_START_INFO), info, sizeof(info)) < 0 ||
		memory_write(m, GPA(BOOT_MODULES), module, sizeof(module)) < 0 ||
		memory_write(m, GPA(BOOT_MEMMAP), map, sizeof(map)) < 0 ||
		memory_write(m, GPA(BOOT_CMDLINE), b->cmdline, cmdline_len) < 0)
		return err_say(e, -ENOMEM, "write boot tables: guest memory ends below 1 MiB");
	return 0;
}
