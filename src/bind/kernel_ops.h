/* SPDX-License-Identifier: MIT */
#ifndef BIND_KERNEL_OPS_H
#define BIND_KERNEL_OPS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bind_access;
struct err;
struct host_vf;

/*
 * Everything that binding does to the machine, behind one table: the kernel, or a test's
 * stand-in for it. What it learns goes through struct host.
 */
struct bind_writer;

#define BIND_WRITERS_MAX 16 /* at one time: as many writes as that are under way */

struct bind_kernel_ops {
	/*
	 * A disposable process for the writes of one transaction. The kernel runs a driver's
	 * remove() inside the write to `unbind`, and a driver whose device is in use may wait
	 * there for ever, out of reach of any signal: whoever writes has to be expendable.
	 */
	int (*writer_start)(struct bind_writer **ret);
	/* The process, for the journal; 0 when there is none. */
	pid_t (*writer_pid)(const struct bind_writer *w);
	/*
	 * Has it begin one write(2), and does not wait: the next is that writer's `answer`.
	 * Return: 0, -ETIMEDOUT of a writer that is lost, -errno.
	 */
	int (*ask)(struct bind_writer *w, const char *path, const char *text, struct err *e);
	/*
	 * Waits until one of those that were asked has an answer; NULL entries do not count.
	 * Return: its place in @list, -ETIMEDOUT, -errno.
	 */
	int (*wait)(struct bind_writer *const *list, size_t count, int timeout_ms);
	/* What became of it. Return: 0, -ETIMEDOUT (the writer is lost, and says why), -errno. */
	int (*answer)(struct bind_writer *w, int timeout_ms, struct err *e);
	void (*writer_stop)(struct bind_writer *w); /* NULL is fine; frees */

	/* modprobe. Return: 0, -ENOENT when it does not load, -errno, with a sentence. */
	int (*load)(const char *module, struct err *e);
	/* Waits until a device node exists. Return: 0, -ETIMEDOUT, -errno. */
	int (*wait_node)(const char *path, int timeout_ms);
	/* One setting (pci/rtnl.h) of a virtual function is to be as in @vf. Return: 0, -errno. */
	int (*set_vf)(const char *interface, int setting, const struct host_vf *vf);
	int (*chown_node)(const char *path, const struct bind_access *a);
	/* udev's rule for a group's nodes (bind/access.h); NULL: none any more. Return: 0, -errno. */
	int (*rule)(int group, const char *text);
};

const struct bind_kernel_ops *bind_kernel_ops_live(void);

#endif
