/* SPDX-License-Identifier: MIT */
#ifndef CLI_PLUG_H
#define CLI_PLUG_H

#include "cli/target.h"

#include <stdbool.h>

struct bind_env;

/* Devices to and from a guest of usher that runs: its keeper does it (usher-control(7)). */
struct plug_order {
	const struct targets *targets;
	const struct bind_env *env;
	const char *name;
	bool away; /* detach */
	bool config; /* it is asked for a configuration, which no guest of usher has */
	int timeout_ms;
};

/* Whether a guest of that name runs, and by another engine than libvirt, which has its own way. */
bool plug_knows(const char *name);

/* Reports and prints. Return: exit status. */
int plug_change(const struct plug_order *o);

#endif
