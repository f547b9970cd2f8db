/* SPDX-License-Identifier: MIT */
#ifndef BIND_RETURN_H
#define BIND_RETURN_H

#include "bind/release.h"
#include "bind/transaction.h"

/*
 * Returns the members of @n to their first drivers, the last one first. A failed bind_take(),
 * bind_release() and bind_restore() use it. It reads where each device is and does only what is
 * missing, so it may be interrupted and repeated at any point.
 * @why_stays: for each member, why it stays where it is; NULL to return it. NULL: return all.
 * @ret gets every member. Return: 0 if all are returned, else the first -errno, with @e.
 */
int bind_return_members(struct bind_worker *w, const struct bind_entry *n, enum bind_return how,
	const char *const *why_stays, struct bind_report *ret, struct err *e);

/* Restores only the choice of reset methods, for a group that stays on VFIO. */
void bind_return_methods(struct bind_worker *w, const struct bind_entry *n);

/* Adds @count zeroed entries. Return: the first of them; NULL without memory. */
struct bind_returned *bind_report_add(struct bind_report *r, size_t count);

#endif
