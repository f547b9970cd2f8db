/* SPDX-License-Identifier: MIT */
#ifndef HOST_NETNS_H
#define HOST_NETNS_H

struct host;
struct host_net_upper;

/* host_ops.uppers of the live machine, which @live is. */
int netns_uppers(
	struct host *live, int (*each)(void *arg, const struct host_net_upper *u), void *arg);

#endif
