/* SPDX-License-Identifier: MIT */
#ifndef BIND_KERNEL_OPS_H
#define BIND_KERNEL_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bind_access;
struct err;
struct host_vf;

/*
 * Everything that binding changes on the machine, behind one table: the kernel, or a test's
 * stand-in. Everything that binding reads goes through struct host.
 */
struct bind_writer;

#define BIND_WRITERS_MAX 16 /* at one time: as many writes as that are under way */

struct bind_kernel_ops {
	/*
	 * Starts a disposable process for the writes of one transaction. The kernel runs a driver's
	 * remove() inside the write to `unbind`. A driver whose device is in use may wait there for
	 * ever, and no signal reaches the process meanwhile.
	 */
	int (*writer_start)(struct bind_writer **ret);
	/* The process, for the journal; 0 when there is none. */
	pid_t (*writer_pid)(const struct bind_writer *w);
	/*
	 * Starts one write(2) and does not wait; the next call for this writer is `answer`.
	 * Return: 0, -ETIMEDOUT if the writer is lost, -errno.
	 */
	int (*ask)(struct bind_writer *w, const char *path, const char *text, struct err *e);
	/* The same for two bytes of a configuration space, @path, at @offset. */
	int (*ask_register)(struct bind_writer *w, const char *path, uint16_t offset,
		uint16_t value, struct err *e);
	/*
	 * Waits until one of the writers has an answer; NULL entries are skipped.
	 * Return: its index in @list, -ETIMEDOUT, -errno.
	 */
	int (*wait)(struct bind_writer *const *list, size_t count, int timeout_ms);
	/* Result of the write. Return: 0, -ETIMEDOUT (the writer is lost; @e says why), -errno. */
	int (*answer)(struct bind_writer *w, int timeout_ms, struct err *e);
	void (*writer_stop)(struct bind_writer *w); /* NULL is fine; frees */

	/*
	 * Opens a disk exclusively, so that nothing mounts it, swaps to it or makes a volume of it;
	 * and gives that up. Return: a number for disk_release, [0, INT_MAX]; -EBUSY, -errno.
	 */
	int (*disk_claim)(const char *disk);
	void (*disk_release)(int claim);

	/* Runs modprobe. Return: 0, -ENOENT if the module does not load, -ETIMEDOUT, -errno. */
	int (*load)(const char *module, int timeout_ms, struct err *e);
	/* Waits until a device node exists. Return: 0, -ETIMEDOUT, -errno. */
	int (*wait_node)(const char *path, int timeout_ms);
	/* Changes one setting (host/rtnl.h) of a virtual function to @vf's. Return: 0, -errno. */
	int (*set_vf)(const char *interface, int setting, const struct host_vf *vf);
	int (*chown_node)(const char *path, const struct bind_access *a);
	/*
	 * True if somebody has a device of the group open, also by a mapping, or by a descriptor in
	 * a message that nobody has received: no process shows these. Waits a little for a process
	 * that is ending. NULL: unknown.
	 */
	bool (*group_held)(int group);
	/*
	 * True if the kernel lets nobody else open the group while we do, and it let us: nobody has
	 * a device of it open, by whatever way. Does not wait. NULL: unknown.
	 */
	bool (*group_unopened)(int group);
	/* Writes udev's rule for a group's nodes; NULL removes it. Return: 0, -errno. */
	int (*rule)(int group, const char *text);
};

#endif
