/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_MEMLOCK_H
#define ENGINE_MEMLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/*
 * A borrower's limit of locked memory (RLIMIT_MEMLOCK). The kernel counts what is mapped for DMA
 * against it, and by default it is 8 MiB. It is raised for the time of a lease.
 *
 * prlimit(2) takes a process id, which may be another process's by then. A process that its pidfd
 * shows alive after the call was alive at the call, so the change hit it; else it is undone.
 *
 * The file FOLDER/memlock has the limit of before, for whoever finds the folder of a keeper that
 * was killed.
 */
#define MEMLOCK_ANY UINT64_MAX
#define MEMLOCK_FILE "memlock"

struct memlock {
	pid_t pid;
	uint64_t start; /* start time of that process */
	int pidfd; /* of it, the caller's */
	const char *folder; /* of the lease */
	bool raised;
	struct rlimit before;
};

/*
 * Never lowers it. @m: the first four are the caller's. Return: 0; -EPERM this host permits no
 * more; -ESRCH the process has ended; -errno.
 */
int memlock_raise(struct memlock *m, uint64_t bytes);

/* Lowers it to what it was; a limit that the process has lowered itself stays. */
void memlock_put_back(struct memlock *m);

/* The same by the file in @folder, whose keeper has ended. */
void memlock_put_back_noted(const char *folder);

#endif
