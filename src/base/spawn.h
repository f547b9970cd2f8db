/* SPDX-License-Identifier: MIT */
#ifndef BASE_SPAWN_H
#define BASE_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Disposable children: for system calls that may never return, where no signal ends the process
 * (an unbind whose driver waits). Such a child must hold none of our locks, nor the end of a pipe
 * that another process reads.
 *
 * On x86-64 the child shares our memory: to copy page tables and to fault pages in again costs more
 * than all its work, and each switch between two address spaces empties the TLB. It has a stack of
 * its own and blocks all signals. It makes system calls by spawn_call() only: errno is ours, and a
 * call that returns late must not change it. The memory that it writes to has to outlive it. On
 * other processors, and under a sanitizer, it is an ordinary child.
 */
#define SPAWN_STACK ((size_t)16 * 1024)

/* Starts a child that runs main(@arg) and ends by spawn_leave(). Return: its pid, -errno. */
pid_t spawn_start(char stack[SPAWN_STACK], void (*main)(void *arg), void *arg);

/*
 * Frees @given, which a child that never ended was given, if the child has a copy of it. If it
 * shares our memory, @given has to stay.
 */
void spawn_free_of_lost(void *given);

/* Makes a system call. Return: the kernel's result; -errno on failure. */
long spawn_call(long number, long a, long b, long c, long d, long e);
_Noreturn void spawn_leave(void);

/* Closes all descriptors but @fd. */
void spawn_keep_only(int fd);

#endif
