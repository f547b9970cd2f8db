/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/net_vhost.h"

#include "vmm/walls/mark.h"

#include <linux/vhost.h>

int net_vhost_init(struct net_vhost *v, int fd, struct err *e)
{
	*v = NET_VHOST_NONE;
	return vhost_init(&v->vhost, fd, NET_VHOST_FEATURES, "vhost-net", e);
}

void net_vhost_fini(struct net_vhost *v)
{
	vhost_fini(&v->vhost);
	*v = NET_VHOST_NONE;
}

int net_vhost_start(struct net_vhost *v, uint64_t accepted, const struct net_vhost_rings *rings)
{
	int r = vhost_set_rings(&v->vhost, accepted, &rings->rings);

	if (r < 0)
		return r;
	v->running = true;
	r = net_vhost_connect(v, rings->tap);
	if (r < 0)
		net_vhost_stop(v);
	return r;
}

WALL_CALL(main | worker, ioctl, VHOST_NET_SET_BACKEND);

int net_vhost_connect(struct net_vhost *v, int tap)
{
	for (unsigned n = 0; v->running && n < NET_VHOST_RINGS; n++) {
		int r = vhost_set_file(&v->vhost, VHOST_NET_SET_BACKEND, n, tap);
		if (r < 0)
			return r;
	}
	return 0;
}

void net_vhost_stop(struct net_vhost *v)
{
	(void)net_vhost_connect(v, -1);
	v->running = false;
}

void net_vhost_set_call(struct net_vhost *v, unsigned n, int eventfd)
{
	if (v->running)
		vhost_set_call(&v->vhost, n, eventfd);
}
