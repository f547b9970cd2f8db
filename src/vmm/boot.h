/* SPDX-License-Identifier: MIT */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

#include "base/vmlinux.h"
#include "vmm/gpa.h"

#include <stddef.h>
#include <stdint.h>

struct err;
struct memory;

/*
 * The loader: an ELF kernel that starts by PVH (its Xen note names the entry), an initial RAM disk,
 * and the tables that the kernel finds both by. It reads files straight into guest RAM.
 * Ref: Xen, docs/misc/pvh; xen/include/public/arch-x86/hvm/start_info.h
 */
#define BOOT_START_INFO 0x6000
#define BOOT_MODULES 0x6040
#define BOOT_MEMMAP 0x7000
#define BOOT_MEMMAP_MAX 32
#define BOOT_CMDLINE 0x20000
#define BOOT_CMDLINE_MAX 0x10000 /* [bytes], NUL included */
#define BOOT_KERNEL_MIN VMLINUX_MIN /* the tables lie below */

struct boot_kernel {
	uint32_t entry;
	uint64_t end; /* first byte above the kernel */
};

struct boot_initrd {
	gpa_t gpa;
	uint64_t size; /* 0: none */
};

/* Types have the numbers of E820. */
enum boot_memory { BOOT_RAM = 1, BOOT_RESERVED = 2, BOOT_ACPI = 3 };

struct boot_memmap {
	uint64_t base;
	uint64_t size;
	enum boot_memory type;
};

struct boot_info {
	const char *cmdline;
	struct boot_initrd initrd;
	gpa_t rsdp;
	size_t count;
	struct boot_memmap map[BOOT_MEMMAP_MAX];
};

/* An open file. All reads are at offsets, so it serves each boot of the guest. */
struct boot_file {
	int fd; /* -1: none; stays the caller's */
	const char *name; /* for messages */
};

/*
 * Loads the kernel image @file. Return: 0; -ENOEXEC with the reason why this machine cannot start
 * it; -ENOMEM when guest memory is too small; -errno.
 */
int boot_load_kernel(
	struct memory *m, const struct boot_file *file, struct boot_kernel *ret, struct err *e);

/*
 * Loads @file right below @top, but not below @floor. Return: 0, -ENOMEM when it does not
 * fit, -errno.
 */
int boot_load_initrd(struct memory *m, const struct boot_file *file, uint64_t floor, uint64_t top,
	struct boot_initrd *ret, struct err *e);

/* Adds a range to the map, unless its size is 0. */
void boot_add_map(struct boot_info *b, uint64_t base, uint64_t size, enum boot_memory type);

/* Writes start info, module list, memory map and command line. Return: 0, -E2BIG, -ENOMEM. */
int boot_write_info(struct memory *m, const struct boot_info *b, struct err *e);

#endif
