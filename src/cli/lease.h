/* SPDX-License-Identifier: MIT */
#ifndef CLI_LEASE_H
#define CLI_LEASE_H

#include <stdint.h>

struct bind_plan;
struct control_value;
struct err;
struct guest_spec;
struct verb;

/* Calls @each with the name of every lease that has a folder, by name. */
void leases_each(void (*each)(void *arg, const char *name), void *arg);

/*
 * What `usher lease` prints of a lease. @v: what its keeper says; NULL: nobody can be asked.
 * Return: 0, -ENOPKG, -ENOMEM.
 */
int lease_json(
	const char *name, const struct guest_spec *s, const struct control_value *v, struct err *e);
void lease_text(const char *name, const struct control_value *v);

/* The same document for a plan. */
int lease_plan_json(const struct guest_spec *s, const struct bind_plan *plan, struct err *e);

/* "90", "90s", "15m", "8h", "2d". Return: 0, -EINVAL. */
int lease_time_parse(const char *text, uint64_t *ret);

/* Whether that can be a key at all, and an ordinary user's. Return: 0, as option_wrong(). */
int lease_key_check(const struct verb *v, const char *text);
int lease_key_check_own(const struct verb *v, const char *text);

#endif
