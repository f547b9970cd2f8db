/* SPDX-License-Identifier: MIT */
#ifndef BIND_LEASE_H
#define BIND_LEASE_H

#include "bind/env.h"

#include <stddef.h>

struct bind_case;
struct bind_entry;

/* What the journal holds; for `usher restore`, `usher list` and the daemon. */
enum bind_lease_state {
	BIND_LEASE_VOID, /* of another boot: means nothing any more */
	BIND_LEASE_CORRUPT, /* unreadable; @text says where */
	BIND_LEASE_BROKEN, /* a transaction died half-way */
	BIND_LEASE_DEAD, /* its owner is gone */
	BIND_LEASE_KEPT, /* bound by hand, nobody's: `usher release` */
	BIND_LEASE_LIVE, /* its owner runs */
	BIND_LEASE_BUSY, /* usher is at work on it; or was, a moment ago, or the kernel is stuck */
};

struct bind_lease {
	int group;
	enum bind_lease_state state;
	struct bind_owner owner;
	char text[160]; /* one sentence for people */
};

/* Every entry by group number; *@ret is the caller's to free(). Return: 0, -ENOMEM, -errno. */
int bind_leases(
	const struct bind_env *env, struct bind_lease **ret, size_t *ret_count, struct err *e);

/* What an entry means now; @text, when not NULL, gets a sentence. */
enum bind_lease_state bind_lease_judge(const struct bind_env *env, const struct bind_entry *n,
	const char *boot, char *text, size_t size);

/* Whether the group is somebody's already: adds problems. Return: 0, -ENOMEM, -errno. */
int bind_gate_lease(struct bind_case *c, int group);

#endif
