/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_STORAGE_H
#define ENGINE_STORAGE_H

#include "engine/backend.h"

struct cgroup;
struct disk_image;
struct err;
struct guest_disk;
struct guest_spec;

/*
 * QEMU's storage daemon serves a disk with a format of its own. An image may be made to harm its
 * reader, so the daemon has a root file system with exactly that image's files, no network and no
 * other right (program/tool.h).
 */
#define STORAGE_PROGRAM "qemu-storage-daemon"

/* Whether this host has what the disks of @s need. Return: 0, -ENOENT. */
int storage_check(const struct guest_spec *s, struct err *e);

/*
 * Starts one for @d, whose files are @i. @run_dir: BIND_STATE_DIR. @cgroup: the guest's, or NULL.
 * Return: 0; -ENOENT it is not installed; -errno; backend_stop() in any case.
 */
int storage_start(struct backend *b, const struct guest_disk *d, const struct disk_image *i,
	const char *run_dir, const struct cgroup *cgroup, struct err *e);

/*
 * Starts one that shows the content of @i by the NBD protocol at `end`, for a moment: it writes
 * nothing, and its time and memory are bounded. Return: likewise.
 */
int storage_show(struct backend *b, const struct disk_image *i, const char *run_dir, struct err *e);

#endif
