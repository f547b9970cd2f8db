/* SPDX-License-Identifier: MIT */
#ifndef BIND_STUCK_WRITER_H
#define BIND_STUCK_WRITER_H

#include <stddef.h>
#include <sys/types.h>

struct host;

/*
 * One sentence on a writer that is still there: "process 12 of usher is stuck in the kernel
 * (vfio_unregister_group_dev)" when its usher is gone and the kernel holds it, "… waits in the
 * kernel (…)" when its usher waits for it, "… is at work on @what" else.
 * Return: @buf.
 */
const char *bind_stuck_writer_format(
	struct host *h, pid_t writer, const char *what, char *buf, size_t size);

/* What to do about it. Return: @buf. */
const char *bind_stuck_writer_hint(pid_t writer, char *buf, size_t size);

#endif
