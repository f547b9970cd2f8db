/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/net_pairs.h"

#include "base/err.h"
#include "base/fd.h"
#include "vmm/virtio/queue.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

WALL_CALL(main, eventfd2);

int net_pairs_add(struct net_pairs *s, int tap, int vhost, struct err *e)
{
	struct net_pair *p = &s->pairs[s->count];

	if (s->count == NET_PAIRS_MAX) {
		fd_close(&tap);
		fd_close(&vhost);
		return err_say(e, -E2BIG, "a virtio-net has more than %d pairs", NET_PAIRS_MAX);
	}
	*p = (struct net_pair){.tap = tap};
	s->count++;
	if (s->error < 0)
		s->error = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	const int r = s->error < 0 ? -errno : 0;
	const int opened = net_vhost_init(&p->vhost, vhost, e);
	return r < 0 ? err_set(e, r, "make a virtio-net") : opened;
}

WALL_CALL(main, close);

void net_pairs_fini(struct net_pairs *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		net_vhost_fini(&s->pairs[i].vhost);
		fd_close(&s->pairs[i].tap);
	}
	fd_close(&s->error);
	*s = NET_PAIRS_NONE;
}

uint64_t net_pairs_features(const struct net_pairs *s)
{
	return s->count ? s->pairs[0].vhost.vhost.features : NET_VHOST_FEATURES;
}

static int pair_start(struct net_pairs *s, unsigned i, const struct net_pairs_start *start)
{
	struct net_vhost_rings rings = {.rings = {.queues = &start->queues[2 * i],
						.count = NET_VHOST_RINGS,
						.error = s->error},
		.tap = start->link ? s->pairs[i].tap : -1};

	for (unsigned n = 0; n < NET_VHOST_RINGS; n++) {
		if (!rings.rings.queues[n].enabled)
			return 0;
		rings.rings.kicks[n] = start->kicks[2 * i + n];
		rings.rings.calls[n] = start->calls[2 * i + n];
	}
	return net_vhost_start(&s->pairs[i].vhost, start->accepted, &rings);
}

int net_pairs_start(struct net_pairs *s, const struct net_pairs_start *start)
{
	int r = 0;

	s->running = true;
	net_pairs_use(s, 1);
	for (unsigned i = 0; r == 0 && i < s->count; i++)
		r = pair_start(s, i, start);
	if (r < 0)
		net_pairs_stop(s);
	return r;
}

void net_pairs_stop(struct net_pairs *s)
{
	for (unsigned i = 0; i < s->count; i++)
		net_vhost_stop(&s->pairs[i].vhost);
	s->running = false;
}

void net_pairs_set_call(struct net_pairs *s, unsigned queue, int eventfd)
{
	if (queue / 2 < s->count)
		net_vhost_set_call(&s->pairs[queue / 2].vhost, queue % 2, eventfd);
}

void net_pairs_connect(struct net_pairs *s, bool link)
{
	for (unsigned i = 0; i < s->count; i++)
		(void)net_vhost_connect(&s->pairs[i].vhost, link ? s->pairs[i].tap : -1);
}

WALL_CALL(main, ioctl, TUNSETQUEUE);

/* The first one stays: a tap with one queue has no such call. */
void net_pairs_use(struct net_pairs *s, unsigned count)
{
	for (unsigned i = 1; i < s->count; i++) {
		struct net_pair *p = &s->pairs[i];
		const bool detached = i >= count;
		const struct ifreq q = {
			.ifr_flags = detached ? IFF_DETACH_QUEUE : IFF_ATTACH_QUEUE};
		if (p->detached != detached && ioctl(p->tap, TUNSETQUEUE, &q) == 0)
			p->detached = detached;
	}
}
