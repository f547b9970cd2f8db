/* SPDX-License-Identifier: MIT */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include "bind/bind.h"
#include "cli/verb.h"

#define TARGETS_MAX 64
#define ALLOWS_MAX 32

/* What verbs on devices have in common: the devices of the command line, and options. */
struct targets {
	const struct verb *verb; /* set by the caller, for messages */
	struct bind_target list[TARGETS_MAX];
	size_t count;
	size_t id_count; /* number of --id; the first belongs to the first address */
	const char *allow[ALLOWS_MAX];
	size_t allow_count;
	const char *user, *user_group; /* NULL if not given */
	const char *host; /* a snapshot; NULL: this host */
	bool dry_run;
	bool json;
};

/* For the table of a verb's options: those of them that the verb has. */
enum {
	TARGETS_ID = 0x100,
	TARGETS_ALLOW,
	TARGETS_USER,
	TARGETS_USER_GROUP,
	TARGETS_DRY_RUN,
	TARGETS_JSON,
	TARGETS_HOST,
};

/* Each reports an error. Return: 0, LEAVE_USAGE. */
int targets_option(struct targets *t, int c, const char *text);
/* --allow CHECK: whether there is a check of that name. */
int targets_check_name(const struct verb *v, const char *text);
/* --timeout SECONDS: the limit for one kernel write. */
int targets_timeout(struct bind_env *env, const struct verb *v, const char *text);
/* Finds the users of --user and --user-group. */
int targets_access(const struct targets *t, struct bind_access *ret);
/*
 * The operands, as devices of @h; @least: the minimum. The number of ids must match the number of
 * devices. Return: 0, LEAVE_USAGE, LEAVE_FAILED: there is no such device.
 */
int targets_operands(struct targets *t, struct host *h, int count, char **words, size_t least);

/*
 * Opens the host of --host, which needs --dry-run, and then does the same. The caller calls
 * host_close(*ret) after 0.
 */
int targets_open(struct targets *t, struct host **ret, int count, char **words, size_t least);

/*
 * The IOMMU groups of the targets, without duplicates; for a device that is gone, the group in
 * whose entry it is. @ret has room for TARGETS_MAX.
 * Return: their number, -ENODEV, -errno.
 */
int targets_groups(const struct targets *t, const struct bind_env *env, int *ret, struct err *e);

#endif
