/* SPDX-License-Identifier: MIT */
#include "vmm/boot.h"

#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/vmlinux.h"
#include "vmm/copy.h"
#include "vmm/memory.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PVH_MAGIC 0x336ec578

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
	const char *path; /* for messages */
	int fd;
	uint64_t size;
	struct memory *memory;
};

WALL_CALL(main, newfstatat);
WALL_CALL(main, fstat); /* of glibc 2.39 and later */
WALL_CALL(main, fadvise64);

static int image_begin(
	struct image *im, const struct boot_file *file, const char *what, struct err *e)
{
	struct stat st;

	im->fd = file->fd;
	im->path = file->name;
	if (fstat(im->fd, &st) < 0)
		return err_set(e, -errno, "stat %s '%s'", what, im->path);
	if (!S_ISREG(st.st_mode))
		return err_say(e, -ENOEXEC, "load %s '%s': not a regular file", what, im->path);
	im->size = (uint64_t)st.st_size;
	(void)posix_fadvise(im->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

WALL_CALL(main, pread64);

static int load_segment(const struct image *im, const struct vmlinux_segment *s, struct err *e)
{
	char *to = memory_ram(im->memory, GPA(s->address), s->size);

	if (!to)
		return err_say(e, -ENOMEM,
			"load kernel '%s': needs 0x%" PRIx64 " bytes of memory at 0x%" PRIx64
			": the guest has %" PRIu64 " MiB",
			im->path, s->size, s->address, im->memory->ram_size >> 20);
	int r = fd_pread_full(im->fd, to, s->file_size, (off_t)s->off);
	if (r < 0)
		return err_set(e, r, "read kernel '%s'", im->path);
	/* New memory is zero, and a write would make its pages present. */
	if (im->memory->used)
		(void)memory_fill(
			im->memory, GPA(s->address + s->file_size), 0, s->size - s->file_size);
	return 0;
}

static int load_elf(const struct image *im, struct boot_kernel *ret, struct err *e)
{
	struct vmlinux k;

	int r = vmlinux_read(im->fd, &k, e);
	if (r < 0)
		return err_in(e, r, "load kernel '%s'", im->path);
	for (size_t i = 0; i < k.count; i++) {
		r = load_segment(im, &k.segments[i], e);
		if (r < 0)
			return r;
	}
	*ret = (struct boot_kernel){.entry = k.entry, .end = k.end};
	return 0;
}

int boot_load_kernel(
	struct memory *m, const struct boot_file *file, struct boot_kernel *ret, struct err *e)
{
	struct image im = {.memory = m};
	int r = image_begin(&im, file, "kernel", e);

	return r < 0 ? r : load_elf(&im, ret, e);
}

static int load_initrd(const struct image *im, uint64_t floor, uint64_t top,
	struct boot_initrd *ret, struct err *e)
{
	uint64_t base;

	if (vmlinux_place_initrd(im->size, floor, top, &base) < 0)
		return err_say(e, -ENOMEM,
			"load initrd '%s': %" PRIu64
			" bytes do not fit into guest memory beside the kernel",
			im->path, im->size);
	gpa_t at = GPA(base);
	void *to = memory_ram(im->memory, at, im->size);
	if (!to)
		return err_say(e, -ENOMEM, "load initrd '%s': no guest memory there", im->path);
	int r = fd_pread_full(im->fd, to, im->size, 0);
	if (r < 0)
		return err_set(e, r, "read initrd '%s'", im->path);
	*ret = (struct boot_initrd){.gpa = at, .size = im->size};
	return 0;
}

int boot_load_initrd(struct memory *m, const struct boot_file *file, uint64_t floor, uint64_t top,
	struct boot_initrd *ret, struct err *e)
{
	struct image im = {.memory = m};
	int r = image_begin(&im, file, "initrd", e);

	return r < 0 ? r : load_initrd(&im, floor, top, ret, e);
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
