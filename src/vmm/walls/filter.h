/* SPDX-License-Identifier: MIT */
#ifndef VMM_WALLS_FILTER_H
#define VMM_WALLS_FILTER_H

#include "vmm/thread.h"

#include <stddef.h>

struct sock_filter;

/*
 * The system calls that a kind of thread may make, as a program for seccomp(2). The build makes the
 * table from marks (vmm/walls/mark.h).
 */
struct wall_filter {
	const struct sock_filter *code;
	size_t count;
};

extern const struct wall_filter wall_filters[THREAD_KINDS];

/*
 * No kernel has calls of these numbers. A filter answers them by the end of the process, which the
 * kernel notes in its log with the number: it has the refused call's in the low bits.
 */
#define WALL_LAST_CALL 0x3fff0000

/*
 * From now on filter_enter() filters, by @filters. Which call was refused is written to the page
 * @refused_fd (wire/refused.h), or to standard error if that is -1. Context: one thread, which has
 * PR_SET_NO_NEW_PRIVS. Return: 0, -errno.
 */
int filter_use(const struct wall_filter *filters, int refused_fd);

/* Filters the calling thread, for ever. Return: 0, also without filters; -errno. */
int filter_enter(enum thread_kind kind);

#endif
