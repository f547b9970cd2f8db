/* SPDX-License-Identifier: MIT */
#ifndef BIND_RETURN_H
#define BIND_RETURN_H

#include "bind/release.h"
#include "bind/transaction.h"

/*
 * Brings the members of @n back to where they were, last one first; how a failed bind_take() is
 * undone, and what bind_release() and bind_restore() do. It looks where each device is now and
 * does only what is missing, so it may be broken off and begun again at any point.
 * @keep: members, by index, to leave where they are with a reason; NULL for none.
 * @ret gets every member. Return: 0 when all are back, else the first -errno with @e.
 */
int bind_return_members(struct bind_worker *w, const struct bind_entry *n, enum bind_return how,
	const char *const *keep, struct bind_report *ret, struct err *e);

/* Only the choice of reset methods, for a group that stays where it is. */
void bind_return_methods(struct bind_worker *w, const struct bind_entry *n);

/* Room for @count more. Return: the first of them, zeroed; NULL without memory. */
struct bind_returned *bind_report_add(struct bind_report *r, size_t count);

#endif
