/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_LEND_H
#define TEST_UNIT_LEND_H

/* Takes and gives back on the stage, without the reports that a test does not look at. */
#include "bind/stage.h"
#include "suite.h"

#include <sys/wait.h>
#include <unistd.h>

#define LEND_GROUP 7 /* that of the stage's first devices */

static const struct bind_target lend_target __attribute__((unused)) = {.address = {0, 2, 0, 1}};

/* For the stage's second device, as `usher bind` would ask. */
#define LEND_REQUEST            \
	((struct bind_request){ \
		.targets = &lend_target, .target_count = 1, .access = BIND_ACCESS_NONE})

static inline int lend_take(const struct bind_env *env, const struct bind_request *q, struct err *e)
{
	struct bind_plan p;

	int r = bind_take(env, q, &p, e);
	bind_plan_fini(&p);
	return r;
}

/* @g.group: 0 is LEND_GROUP. */
static inline int lend_release(
	const struct bind_env *env, struct bind_release_request g, struct err *e)
{
	struct bind_report report;

	g.group = g.group ? g.group : LEND_GROUP;
	int r = bind_release(env, &g, &report, e);
	bind_report_fini(&report);
	return r;
}

static inline int lend_restore(
	const struct bind_env *env, int group, enum bind_kept kept, struct err *e)
{
	struct bind_report report;

	int r = bind_restore(env, group, kept, &report, e);
	bind_report_fini(&report);
	return r;
}

/*
 * Does it in a child that dies right after its Nth change; 0 is that it went well, which it must if
 * it does not die. Return: whether it died of that.
 */
static inline bool lend_dies_at(const struct bind_env *env, unsigned n,
	int (*doing)(const struct bind_env *env, struct err *e))
{
	struct err e = {0};
	char text[16];
	int status;

	pid_t child = fork();
	if (child == 0) {
		(void)snprintf(text, sizeof(text), "%u", n);
		(void)setenv("USHER_BIND_DIE", text, 1);
		_exit(doing(env, &e) != 0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

static inline bool lend_journal_exists(int group)
{
	char path[FILE_PATH_MAX];

	ck_assert_int_eq(file_path(path, sizeof(path), "%s/journal/%d", stage_state, group), 0);
	return access(path, F_OK) == 0;
}

/* Device @i of the stage is with @driver, and has that override. */
static inline void lend_is_on(size_t i, const char *driver, const char *override)
{
	ck_assert_str_eq(stage->devices[i].d.driver, driver);
	ck_assert_str_eq(stage->devices[i].d.driver_override, override);
}

#endif
