/* SPDX-License-Identifier: MIT */
#ifndef VMM_THREAD_H
#define VMM_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

/*
 * The threads of usher-vmm beside the main one. Each has a name, which top and gdb show. The main
 * thread, which runs the loop, keeps the program's: by that the process is found.
 */
#define THREAD_NAME 16 /* [bytes] with the NUL, as the kernel has it */

/* What a thread is for. It decides which system calls the thread may make (vmm/walls/mark.h). */
enum thread_kind {
	THREAD_MAIN, /* the loop, and all that is before and after it */
	THREAD_STARTER, /* makes the others */
	THREAD_VCPU,
	THREAD_WORKER, /* jobs that may block */
	THREAD_OUTBOX, /* writes */
	THREAD_DISK, /* moves data by an io_uring */
	THREAD_KINDS,
};

/* This thread is a processor of the guest: nothing in it may block. */
extern _Thread_local bool thread_is_vcpu;

#define THREAD_SIGNAL SIGRTMIN /* of thread_interrupt() */

/* Has thread_interrupt() work before the first thread starts. */
void thread_prepare(void);

/*
 * Starts a thread that runs @run with @arg. @name: at most 15 characters. Context: any thread.
 * Return: 0, -EAGAIN, -errno.
 */
int thread_start(pthread_t *ret, enum thread_kind kind, const char *name, void *(*run)(void *arg),
	void *arg);

/*
 * The same in place of *@thread, which has ended if @ended, and is joined by the thread that makes
 * the new one: that may unmap stacks, which a processor may not. Return: as above; it is joined.
 */
int thread_renew(pthread_t *thread, bool ended, enum thread_kind kind, const char *name,
	void *(*run)(void *arg), void *arg);

/*
 * Gets a thread out of a system call that blocks: it ends early, with EINTR or part of its work. A
 * call that is yet to be made is not affected, so the caller repeats this or leaves a note first.
 */
void thread_interrupt(pthread_t thread);

/* Waits for the end of a thread that was told to end, @ms at most. Return: false: it runs on. */
bool thread_join(pthread_t thread, unsigned ms);

/* CLOCK_MONOTONIC in @ms. */
struct timespec thread_deadline(unsigned ms);

#endif
