/* SPDX-License-Identifier: MIT */
#ifndef HOST_NETUSE_H
#define HOST_NETUSE_H

#include "host/host.h"

/*
 * What rtnetlink shows in one network namespace about the use of interfaces of ours: the questions
 * that the child of host/netns.c asks.
 */
struct netuse {
	enum host_net_use_kind kind;
	uint32_t lower; /* index in our namespace; 0: HOST_NET_AWAY */
	char name[16];
	char detail[64];
};

struct netuse_report {
	int (*each)(void *arg, const struct netuse *u);
	void *arg;
};

/* In our own namespace. Return: 0, what @r returned, -errno. */
int netuse_ask_own(const struct netuse_report *r);

/* In another one, whose process this is by now; @ours: a descriptor of our namespace. */
int netuse_ask_other(int ours, const struct netuse_report *r);

#endif
