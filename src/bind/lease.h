/* SPDX-License-Identifier: MIT */
#ifndef BIND_LEASE_H
#define BIND_LEASE_H

#include "bind/gate.h"
#include "bind/journal.h"

/* What an entry means now; @text, when not NULL, gets a sentence. */
enum bind_lease_state bind_lease_judge(const struct bind_env *env, const struct bind_entry *n,
	const char *boot, char *text, size_t size);

/* Whether the group is somebody's already: adds problems. Return: 0, -ENOMEM, -errno. */
int bind_gate_lease(struct bind_case *c, int group);

#endif
