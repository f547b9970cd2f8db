/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/file.h"
#include "lend.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

const struct bind_target lend_target = {.address = {0, 2, 0, 1}};

int lend_take(const struct bind_env *env, const struct bind_request *q, struct err *e)
{
	struct bind_plan p;

	int r = bind_take(env, q, &p, e);
	bind_plan_fini(&p);
	return r;
}

int lend_release(const struct bind_env *env, struct bind_release_request g, struct err *e)
{
	struct bind_report report;

	g.group = g.group ? g.group : LEND_GROUP;
	int r = bind_release(env, &g, &report, e);
	bind_report_fini(&report);
	return r;
}

int lend_restore(const struct bind_env *env, int group, enum bind_manual manual, struct err *e)
{
	struct bind_report report;

	int r = bind_restore(env, group, manual, &report, e);
	bind_report_fini(&report);
	return r;
}

bool lend_dies_at(const struct bind_env *env, unsigned n,
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

bool lend_journal_exists(int group)
{
	char path[FILE_PATH_MAX];

	ck_assert_int_eq(file_path(path, sizeof(path), "%s/journal/%d", stage_state, group), 0);
	return access(path, F_OK) == 0;
}

void lend_is_on(size_t i, const char *driver, const char *override)
{
	ck_assert_str_eq(stage->devices[i].d.driver, driver);
	ck_assert_str_eq(stage->devices[i].d.driver_override, override);
}
