/* SPDX-License-Identifier: MIT */
#include "stage.h"
#include "suite.h"

#include <sys/wait.h>
#include <unistd.h>

static bool journal_exists(void)
{
	char path[FILE_PATH_MAX];

	ck_assert_int_eq(file_path(path, sizeof(path), "%s/journal/7", stage_state), 0);
	return access(path, F_OK) == 0;
}

static void is_on(size_t i, const char *driver, const char *override)
{
	ck_assert_str_eq(stage->devices[i].d.driver, driver);
	ck_assert_str_eq(stage->devices[i].d.driver_override, override);
}

static int release(const struct bind_env *env, struct bind_giving g, struct err *e)
{
	struct bind_report report;

	g.group = 7;
	int r = bind_release(env, &g, &report, e);
	bind_report_fini(&report);
	return r;
}

/* Three devices that somebody else has put on VFIO. */
static struct bind_env set_foreign(void)
{
	struct bind_env env = stage_set();

	for (size_t i = 1; i < 4; i++) {
		(void)snprintf(stage->devices[i].d.driver, PCI_NAME_MAX, "vfio-pci");
		(void)snprintf(stage->devices[i].d.driver_override, PCI_NAME_MAX, "vfio-pci");
	}
	return env;
}

static void foreign_is_home(void)
{
	is_on(1, "e1000", "");
	is_on(2, "other", "");
	is_on(3, "e1000", "");
	ck_assert(!journal_exists());
}

/* Releases in a child that dies after its Nth change. Return: whether it died of that. */
static bool dies_at(const struct bind_env *env, unsigned n)
{
	struct err e = {0};
	char text[16];
	int status;

	pid_t child = fork();
	if (child == 0) {
		(void)snprintf(text, sizeof(text), "%u", n);
		(void)setenv("USHER_BIND_DIE", text, 1);
		_exit(release(env, (struct bind_giving){0}, &e) < 0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

static void restore(const struct bind_env *env)
{
	struct bind_report report;
	struct err e = {0};

	ck_assert_msg(bind_restore(env, 7, BIND_KEPT_STAYS, &report, &e) == 0, "%s", e.msg);
	bind_report_fini(&report);
}

START_TEST(releases_what_others_bound)
{
	struct bind_env env;
	struct bind_giving nowhere = {.how = BIND_RETURN_NONE}, vfio = {.how = BIND_RETURN_VFIO};
	struct err e = {0};
	unsigned n = 1;

	env = set_foreign();
	ck_assert_msg(release(&env, vfio, &e) == 0, "%s", e.msg);
	is_on(1, "vfio-pci", "vfio-pci");
	ck_assert(!journal_exists());
	ck_assert_msg(release(&env, nowhere, &e) == 0, "%s", e.msg);
	is_on(1, "", "");
	ck_assert(!journal_exists());
	env = set_foreign();
	while (dies_at(&env, n)) {
		restore(&env);
		foreign_is_home();
		env = set_foreign();
		n++;
	}
	ck_assert_uint_eq(n - 1, 11); /* the entry and its end, three writes for each */
	foreign_is_home();
}
END_TEST

/* A crash in the middle of file_replace() leaves half a file where the entry was to be. */
START_TEST(clears_what_was_never_written)
{
	struct bind_env env = set_foreign();
	struct bind_lease *list = NULL;
	char folder[FILE_PATH_MAX], half[FILE_PATH_MAX];
	struct err e = {0};
	size_t count = 0;

	ck_assert_int_eq(file_path(folder, sizeof(folder), "%s/journal", stage_state), 0);
	ck_assert_int_eq(file_path(half, sizeof(half), "%s/7.new", folder), 0);
	ck_assert_int_eq(file_mkdirs(folder, 0755), 0);
	ck_assert_int_eq(file_replace(half, "usher-jo", 8, 0644), 0);
	ck_assert_int_eq(bind_leases(&env, &list, &count, &e), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(list[0].group, 7);
	ck_assert_int_eq(list[0].state, BIND_LEASE_VOID);
	free(list);
	restore(&env);
	ck_assert_int_lt(access(half, F_OK), 0);
	is_on(1, "vfio-pci", "vfio-pci");
	/* The entry of the next one goes, and this with it. */
	ck_assert_int_eq(file_replace(half, "usher-jo", 8, 0644), 0);
	ck_assert_int_eq(release(&env, (struct bind_giving){0}, &e), 0);
	ck_assert_int_lt(access(half, F_OK), 0);
	foreign_is_home();
}
END_TEST

SUITE("release", releases_what_others_bound, clears_what_was_never_written)
