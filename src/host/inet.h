/* SPDX-License-Identifier: MIT */
#ifndef HOST_INET_H
#define HOST_INET_H

struct host;
struct host_net_address;

/*
 * The addresses of this machine's interfaces, for the live host. Not by getifaddrs(): that has the
 * kernel collect every interface's statistics, for which drivers go to the hardware.
 * Return: 0, what @each returned, -errno.
 */
int inet_addresses(
	struct host *live, int (*each)(void *arg, const struct host_net_address *a), void *arg);

#endif
