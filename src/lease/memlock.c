/* SPDX-License-Identifier: MIT */
#include "lease/memlock.h"

#include <errno.h>
#include <stddef.h>

static rlim_t smaller_of(rlim_t a, rlim_t b)
{
	return a < b ? a : b;
}

/* RLIM_INFINITY is the largest value there is, so comparisons need no case for it. */
int memlock_raise(pid_t pid, uint64_t bytes, struct memlock *ret)
{
	const rlim_t wish = bytes == MEMLOCK_ANY ? RLIM_INFINITY : (rlim_t)bytes;

	*ret = (struct memlock){.raised = false};
	if (prlimit(pid, RLIMIT_MEMLOCK, NULL, &ret->before) < 0)
		return -errno;
	if (ret->before.rlim_cur >= wish)
		return 0;
	const struct rlimit now = {.rlim_cur = wish,
		.rlim_max = ret->before.rlim_max > wish ? ret->before.rlim_max : wish};
	if (prlimit(pid, RLIMIT_MEMLOCK, &now, NULL) < 0)
		return -errno;
	ret->raised = true;
	return 0;
}

void memlock_put_back(pid_t pid, const struct memlock *m)
{
	struct rlimit now;

	if (!m->raised || prlimit(pid, RLIMIT_MEMLOCK, NULL, &now) < 0)
		return;
	now.rlim_cur = smaller_of(now.rlim_cur, m->before.rlim_cur);
	now.rlim_max = smaller_of(now.rlim_max, m->before.rlim_max);
	(void)prlimit(pid, RLIMIT_MEMLOCK, &now, NULL);
}
