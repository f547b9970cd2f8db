/* SPDX-License-Identifier: MIT */
#include "libvirt/attempt.h"

#include "base/fd.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct attempt {
	const char *uri, *uuid;
	int fd; /* eventfd */
	pthread_t thread;
	struct attempt_outcome outcome;
};

/* A daemon that ends between the two calls is not back, and knows nothing of the domain's end. */
static void attempt_make(struct attempt *a)
{
	struct attempt_outcome *o = &a->outcome;

	o->connection = vir.virConnectOpenAuth(a->uri, NULL, 0);
	if (!o->connection)
		return;
	libvirt_calls_watch(o->connection);
	o->domain = vir.virDomainLookupByUUIDString(o->connection, a->uuid);
	virErrorPtr why = o->domain ? NULL : vir.virGetLastError();
	if (o->domain || (why && why->code == VIR_ERR_NO_DOMAIN))
		return;
	(void)vir.virConnectClose(o->connection);
	o->connection = NULL;
}

static void *attempt_run(void *arg)
{
	const uint64_t one = 1;
	struct attempt *a = arg;

	attempt_make(a);
	(void)!write(a->fd, &one, sizeof(one));
	return NULL;
}

int attempt_start(const char *uri, const char *uuid, struct attempt **ret, int *ret_fd)
{
	struct attempt *a = calloc(1, sizeof(*a));
	sigset_t all, before;

	if (!a)
		return -ENOMEM;
	*a = (struct attempt){.uri = uri, .uuid = uuid, .fd = eventfd(0, EFD_CLOEXEC)};
	int r = a->fd < 0 ? -errno : 0;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = r < 0 ? r : -pthread_create(&a->thread, NULL, attempt_run, a);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0) {
		fd_close(&a->fd);
		free(a);
		return r;
	}
	*ret = a;
	*ret_fd = a->fd;
	return 0;
}

struct attempt_outcome attempt_finish(struct attempt *a)
{
	(void)pthread_join(a->thread, NULL);
	struct attempt_outcome o = a->outcome;
	fd_close(&a->fd);
	free(a);
	return o;
}
