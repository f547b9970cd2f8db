/* SPDX-License-Identifier: MIT */
#include "program/listen.h"

#include "base/num.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_FD 3

/* Return: how many there are for this process; 0 none. */
static int count_listened(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	uint64_t process, n;

	if (!pid || !count || num_parse(pid, 10, INT_MAX, &process) < 0 ||
		(pid_t)process != getpid() || num_parse(count, 10, INT_MAX - FIRST_FD, &n) < 0)
		return 0;
	return (int)n;
}

int listen_find(const char *name)
{
	const char *names = getenv("LISTEN_FDNAMES");
	const int count = count_listened();
	const size_t len = strlen(name);
	int found = -ENOENT;

	for (int i = 0; names && len && i < count; i++) {
		const size_t own = strcspn(names, ":");
		if (own == len && strncmp(names, name, len) == 0) {
			if (found >= 0)
				return -ENOENT;
			found = FIRST_FD + i;
		}
		names = names[own] ? names + own + 1 : NULL;
	}
	return found;
}
