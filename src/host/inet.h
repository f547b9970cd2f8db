/* SPDX-License-Identifier: MIT */
#ifndef HOST_INET_H
#define HOST_INET_H

struct host;
struct host_net_address;

/*
 * Calls @each for each address of this machine's interfaces. It avoids getifaddrs(): for that the
 * kernel collects the statistics of each interface, which makes drivers access the hardware.
 * Return: 0, what @each returned, -errno.
 */
int inet_addresses(
	struct host *live, int (*each)(void *arg, const struct host_net_address *a), void *arg);

#endif
