/* SPDX-License-Identifier: MIT */
#include "daemon/news.h"

#include "daemon/daemon.h"
#include "daemon/job.h"

#include <stdbool.h>

/* In Wait of a job, in Lease for its job or for its keeper. */
static bool caller_waits(const struct daemon *d)
{
	for (const struct job *j = d->jobs; j; j = j->next)
		if (job_is_awaited(j))
			return true;
	return d->waiters;
}

static int on_window(sd_event_source *source, uint64_t us, void *arg)
{
	struct news *n = arg;

	n->timer = sd_event_source_disable_unref(n->timer);
	if (++n->windows < NEWS_WINDOWS && caller_waits(n->daemon))
		news_collect(n->daemon, n, n->tell, n->arg);
	else
		n->tell(n->arg);
	return 0;
}

void news_collect(struct daemon *d, struct news *n, void (*tell)(void *arg), void *arg)
{
	n->daemon = d;
	n->tell = tell;
	n->arg = arg;
	if (!n->timer && sd_event_add_time_relative(d->event, &n->timer, CLOCK_MONOTONIC, NEWS_US,
				 NEWS_ACCURACY_US, on_window, n) < 0)
		tell(arg);
}

void news_end(struct news *n)
{
	n->timer = sd_event_source_disable_unref(n->timer);
	n->windows = 0;
}
