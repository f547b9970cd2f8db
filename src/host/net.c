/* SPDX-License-Identifier: MIT */
/*
 * Questions about the network that only verbs ask. They are apart from the live machine's other
 * operations, so that libusher, which asks none, does not carry rtnetlink and namespaces along.
 */
#include "host/host.h"
#include "host/netns.h"
#include "host/socket.h"
#include "host/way.h"

#include <errno.h>

int host_net_uses(struct host *h, int (*each)(void *arg, const struct host_net_use *u), void *arg)
{
	return h == host_live() ? netns_uses(h, each, arg) : h->ops->net_uses(h, each, arg);
}

int host_other_nets(struct host *h)
{
	return h == host_live() ? netns_exist(h) : h->ops->other_nets(h);
}

int host_socket(struct host *h, uint64_t inode, struct host_holder *ret)
{
	return h == host_live() ? socket_holder(h, inode, ret) : h->ops->socket(h, inode, ret);
}

int host_way(struct host *h, int family, const uint8_t to[16], char interface[16])
{
	if (h == host_live())
		return way_find(family, to, interface);
	return h->ops->way ? h->ops->way(h, family, to, interface) : -ENOENT;
}
