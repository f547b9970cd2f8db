/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_BIND_LEND_H
#define TEST_UNIT_BIND_LEND_H

/* Takes and returns groups on the stage, without the reports. */
#include "bind/stage.h"

#include <stdbool.h>

#define LEND_GROUP 7 /* group of the stage's first devices */

extern const struct bind_target lend_target;

/* The request of `usher bind` for the stage's second device. */
#define LEND_REQUEST            \
	((struct bind_request){ \
		.targets = &lend_target, .target_count = 1, .access = BIND_ACCESS_NONE})

int lend_take(const struct bind_env *env, const struct bind_request *q, struct err *e);

/* @g.group: 0 is LEND_GROUP. */
int lend_release(const struct bind_env *env, struct bind_release_request g, struct err *e);

int lend_restore(const struct bind_env *env, int group, enum bind_manual manual, struct err *e);

/*
 * Calls @doing in a child that dies right after its Nth change. If the child does not die, @doing
 * must succeed. Return: whether it died.
 */
bool lend_dies_at(const struct bind_env *env, unsigned n,
	int (*doing)(const struct bind_env *env, struct err *e));

bool lend_journal_exists(int group);

/* Device @i of the stage is with @driver, and has that override. */
void lend_is_on(size_t i, const char *driver, const char *override);

#endif
