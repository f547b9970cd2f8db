/* SPDX-License-Identifier: MIT */
#include "host/way.h"

#include "host/rtnl_use.h"

#include <errno.h>
#include <net/if.h>

static int hop_take(void *arg, const struct rtnl_route *route, uint32_t interface)
{
	*(uint32_t *)arg = interface;
	return 1;
}

static int way_hear(void *arg, const struct nlmsghdr *m)
{
	return rtnl_each_hop(m, hop_take, arg);
}

int way_find(int family, const uint8_t to[16], char interface[16])
{
	char request[RTNL_REQUEST_MAX];
	uint32_t index = 0;

	rtnl_ask_way(request, family, to);
	int r = rtnl_talk(request, way_hear, &index);
	if (r < 0)
		return r;
	if (!index)
		return -ENOENT;
	return if_indextoname(index, interface) ? 0 : -errno;
}
