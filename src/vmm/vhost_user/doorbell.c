/* SPDX-License-Identifier: MIT */
#include "vmm/vhost_user/doorbell.h"

#include "vmm/vhost_user/bound.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

WALL_CALL(main | worker, poll);

static bool doorbell_has_room(int eventfd)
{
	struct pollfd p = {.fd = eventfd, .events = POLLOUT};

	return poll(&p, 1, 0) == 1 && p.revents & POLLOUT;
}

WALL_CALL(main | worker, write);

/* The kernel has no write to an eventfd that never waits. Without a bound, this ring is lost. */
void doorbell_ring(int eventfd)
{
	struct wait_bound bound;

	if (!doorbell_has_room(eventfd) || !wait_bound_begin(&bound))
		return;
	(void)eventfd_write(eventfd, 1);
	wait_bound_end(&bound);
}

WALL_CALL(main, preadv2);
WALL_CALL(main, read);

/* Before Linux 5.8 the kernel cannot be asked not to wait. */
bool doorbell_take(int eventfd)
{
	eventfd_t count;
	const struct iovec part = {&count, sizeof(count)};

	if (preadv2(eventfd, &part, 1, -1, RWF_NOWAIT) >= 0)
		return true;
	return errno == EOPNOTSUPP && eventfd_read(eventfd, &count) == 0;
}
