/* SPDX-License-Identifier: MIT */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include "bind/bind.h"
#include "cli/verb.h"

#define TARGETS_MAX 64
#define ALLOWS_MAX 16

/* Devices of a command line, and the checks to skip. */
struct targets {
	struct bind_target list[TARGETS_MAX];
	size_t count;
	size_t id_count; /* number of --id; the first belongs to the first address */
	const char *allow[ALLOWS_MAX];
	size_t allow_count;
};

/* Each reports an error. Return: 0, LEAVE_USAGE. */
int targets_id(struct targets *t, const struct verb *v, const char *text);
int targets_allow(struct targets *t, const struct verb *v, const char *text);
/* --timeout SECONDS: the limit for one kernel write. */
int targets_timeout(struct bind_env *env, const struct verb *v, const char *text);
/* --user and --user-group; NULL if not given. */
int targets_access(
	const struct verb *v, const char *user, const char *group, struct bind_access *ret);
/* The operands; @least: the minimum. The number of ids must match the number of addresses. */
int targets_operands(
	struct targets *t, const struct verb *v, int count, char **words, size_t least);

/*
 * The IOMMU groups of the targets, without duplicates. @ret has room for TARGETS_MAX.
 * Return: their number, -ENODEV, -errno.
 */
int targets_groups(const struct targets *t, struct host *h, int *ret, struct err *e);

#endif
