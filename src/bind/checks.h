/* SPDX-License-Identifier: MIT */
#ifndef BIND_CHECKS_H
#define BIND_CHECKS_H

#include <stddef.h>

enum bind_lift {
	BIND_LIFT_NEVER,
	BIND_LIFT_PARTLY, /* except where the host needs the device, or the kernel would wait */
	BIND_LIFT_ALWAYS,
};

/*
 * A check that usher makes before it takes or returns a device. The name is that of its problems
 * (struct bind_problem), of --allow, and of the doctor's rule on the same matter. It never changes
 * its meaning.
 */
struct bind_check {
	const char *name;
	enum bind_lift lift; /* whether --allow skips it */
	const char *about; /* what it finds out */
};

/* Every check; NULL after the last. */
const struct bind_check *bind_check_at(size_t i);
/* Return: NULL if there is no check of that name. */
const struct bind_check *bind_check_find(const char *name);

/* "no", "partly", "yes". */
const char *bind_lift_name(enum bind_lift lift);

#endif
