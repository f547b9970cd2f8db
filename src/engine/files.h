/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_FILES_H
#define ENGINE_FILES_H

#include "base/vmlinux.h"
#include "engine/kernel.h"
#include "engine/kernel/boot_image.h"
#include "engine/spec.h"

/*
 * The files of a guest, open before a device is taken: what cannot be read, or is no kernel, is the
 * user's to mend, and nothing has happened yet. It is these files that the guest gets, whatever has
 * their paths later.
 */
struct guest_files {
	struct kernel kernel;
	struct vmlinux image; /* of it */
	struct boot_image boot; /* where it comes from, with --kernel-from; its files are above */
	int initrd; /* -1: none */
	uint64_t initrd_size; /* [bytes] */
	int roms[SPEC_DEVICES_MAX]; /* -1: none */
	struct disk disks[SPEC_VIRTIO_MAX]; /* of the virtio device of that number */
	int stats; /* for writing; -1: none, or not yet open */
};

#define FILES_NONE                                                   \
	((struct guest_files){.kernel.fd = -1,                       \
		.boot = {.kernel = -1, .initrd = -1},                \
		.initrd = -1,                                        \
		.roms = {[0 ... SPEC_DEVICES_MAX - 1] = -1},         \
		.disks = {[0 ... SPEC_VIRTIO_MAX - 1] = {.fd = -1}}, \
		.stats = -1})

/*
 * Opens all files of @s but that for statistics. @ret: files_close() in any case.
 * Return: 0; -EINVAL what the user gave cannot be used; -ENOMEM, -ELIBACC, -errno.
 */
int files_open(const struct guest_spec *s, struct guest_files *ret, struct err *e);

/* Whether all disks of @s can be opened: for a program that opens them itself. Return: likewise. */
int files_check_disks(const struct guest_spec *s, struct err *e);

/* Opens the file for statistics, which empties it. Return: 0, -EINVAL. */
int files_open_output(const struct guest_spec *s, struct guest_files *ret, struct err *e);
/* Whether that would work, without a change. */
int files_check_output(const struct guest_spec *s, struct err *e);

void files_close(struct guest_files *f);

/*
 * In a process that has copies of the descriptors, and is not the guest's keeper: a disk is claimed
 * until the last of them is closed.
 */
void files_leave(const struct guest_spec *s);

#endif
