/* SPDX-License-Identifier: MIT */
#ifndef BIND_STUCK_WRITER_H
#define BIND_STUCK_WRITER_H

#include <stddef.h>
#include <sys/types.h>

struct host;

/*
 * One sentence about a writer that still runs:
 *
 *	process 12 of usher is stuck in the kernel (PLACE)	its usher has ended
 *	process 12 of usher waits in the kernel (PLACE)		its usher waits for it
 *	process 12 of usher is at work on @what			otherwise
 *
 * Return: @buf.
 */
const char *bind_stuck_writer_format(
	struct host *h, pid_t writer, const char *what, char *buf, size_t size);

/* The hint for it. Return: @buf. */
const char *bind_stuck_writer_hint(pid_t writer, char *buf, size_t size);

#endif
