/* SPDX-License-Identifier: MIT */
#ifndef BASE_SPAWN_H
#define BASE_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Expendable processes: for system calls from which the kernel may not come back, out of reach of
 * any signal. Such a process must hold neither a lock of ours nor the end of a pipe that somebody
 * reads.
 *
 * It shares our memory where it can: copying page tables and faulting pages in again costs more
 * than all its work, and every switch between the two would empty the TLB. It has a stack of its
 * own, all signals blocked, and makes system calls by spawn_call() only: the C library's errno is
 * ours, and one that the kernel lets go late must not change it under us. What it writes to has to
 * outlive it. Elsewhere (another processor, a sanitizer) it is an ordinary child.
 */
#define SPAWN_STACK ((size_t)16 * 1024)

/* Starts main(@arg), which never returns but ends by spawn_leave(). Return: its pid, -errno. */
pid_t spawn_start(char stack[SPAWN_STACK], void (*main)(void *arg), void *arg);

/* A system call. Return: as the kernel's, -errno. */
long spawn_call(long number, long a, long b, long c, long d, long e);
_Noreturn void spawn_leave(void);

/* Closes all descriptors but @fd. */
void spawn_keep_only(int fd);

#endif
