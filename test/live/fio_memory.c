/* SPDX-License-Identifier: MIT */
/*
 * System V shared memory for fio in a guest whose kernel has none: a library for LD_PRELOAD. All
 * processes of fio are children of the one that makes the memory, and inherit it.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/shm.h>

#define SEGMENTS_MAX 64
#define SEEN __attribute__((visibility("default")))

static void *segments[SEGMENTS_MAX];
static int count;

SEEN int shmget(key_t key, size_t size, int flags)
{
	(void)key;
	(void)flags;
	if (count == SEGMENTS_MAX) {
		errno = ENOSPC;
		return -1;
	}
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -1;
	segments[count] = at;
	return count++;
}

SEEN void *shmat(int id, const void *at, int flags)
{
	(void)at;
	(void)flags;
	return segments[id];
}

SEEN int shmdt(const void *at)
{
	(void)at;
	return 0;
}

/* fio removes the memory while it is in use, so that it ends with the last process. */
SEEN int shmctl(int id, int command, struct shmid_ds *buf)
{
	(void)id;
	(void)command;
	(void)buf;
	return 0;
}
