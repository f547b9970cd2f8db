/* SPDX-License-Identifier: MIT */
#ifndef HOST_NETNS_H
#define HOST_NETNS_H

struct host;
struct host_net_use;

/* host_net_uses() of the live machine, which @live is. */
int netns_uses(struct host *live, int (*each)(void *arg, const struct host_net_use *u), void *arg);

/* host_other_nets() of the live machine, which @live is. */
int netns_exist(struct host *live);

#endif
