/* SPDX-License-Identifier: MIT */
#ifndef HOST_HOLDERS_H
#define HOST_HOLDERS_H

#include "host/host.h"

/* The live `holders` of struct host_ops: see there. Reads small files of /proc through @h. */
int holders_walk(struct host *h, enum host_look look,
	int (*each)(void *arg, const struct host_holder *o), void *arg);

#endif
