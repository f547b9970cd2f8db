/* SPDX-License-Identifier: MIT */
#ifndef BASE_VMLINUX_H
#define BASE_VMLINUX_H

#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * What an ELF kernel that starts by PVH wants of a machine. usher asks before a device is taken,
 * usher-vmm before it loads the kernel.
 * Ref: Xen, docs/misc/pvh
 */
#define VMLINUX_MIN 0x100000 /* the boot tables lie below */
#define VMLINUX_SEGMENTS_MAX 64

struct vmlinux_segment {
	uint64_t off, file_size; /* [bytes] in the file */
	uint64_t address, size; /* in guest memory: any; zero above @file_size */
};

struct vmlinux {
	uint32_t entry;
	uint64_t end; /* first byte above the kernel */
	size_t count;
	struct vmlinux_segment segments[VMLINUX_SEGMENTS_MAX]; /* none is empty */
};

/*
 * Reads the headers of the open file @fd, and checks that all of the kernel is in it.
 * Return: 0; -ENOEXEC with the reason why no machine of ours can start it; -errno.
 */
int vmlinux_read(int fd, struct vmlinux *ret, struct err *e);

/*
 * Places an initial RAM disk of @size bytes right below @top, but not below @floor.
 * Return: 0, -ENOMEM.
 */
int vmlinux_place_initrd(uint64_t size, uint64_t floor, uint64_t top, uint64_t *ret);

#endif
