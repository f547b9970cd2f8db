/* SPDX-License-Identifier: MIT */
/* A hand-over of a desktop: its lock, and its entry. */
#include "desktop/change.h"

#include "base/err.h"
#include "bind/lock.h"
#include "host/host.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CARD "0000:01:00.0"
#define ENTRY "desktop/" CARD

static const struct pci_address card = {.bus = 1};
static char folder[] = "/tmp/usher-test.XXXXXX";

static struct bind_env env_make(void)
{
	struct bind_env env = bind_env_live();

	ck_assert_ptr_nonnull(mkdtemp(folder));
	env.state = folder;
	return env;
}

static const char *path_of(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void folder_remove(void)
{
	static const char *const names[] = {
		ENTRY, "desktop", "lock/desktop", "lock", "desktop.lock"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (unlink(path_of(names[i])) < 0)
			(void)rmdir(path_of(names[i]));
	(void)rmdir(folder);
}

struct planning {
	const struct bind_env *env;
	bool was_locked;
	unsigned calls;
};

/* Another process finds the desktop locked while this one plans. */
static int plan_refuse(void *arg, struct err *e)
{
	struct planning *p = arg;
	struct err other = {0};

	p->calls++;
	pid_t pid = fork();
	if (pid == 0)
		_exit(bind_lock_task(p->env, DESKTOP_LOCK, &other) == -EBUSY ? 7 : 0);
	int status = 0;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	p->was_locked = WIFEXITED(status) && WEXITSTATUS(status) == 7;
	return err_say(e, -EPERM, "refused");
}

START_TEST(plans_under_the_lock)
{
	const struct desktop_plan desktop = {0};
	const struct bind_plan devices = BIND_PLAN_NONE;
	struct bind_env env = env_make();
	struct planning planning = {.env = &env};
	const struct desktop_leaving leaving = {.plan = plan_refuse,
		.arg = &planning,
		.desktop = &desktop,
		.devices = &devices,
		.keeper = getpid()};
	struct desktop_change c = {.say = NULL};
	struct err e = {0};

	ck_assert_msg(desktop_change_begin(&c, &env, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(desktop_leave(&c, &leaving, &e), -EPERM);
	ck_assert_str_eq(e.msg, "refused");
	ck_assert_uint_eq(planning.calls, 1);
	ck_assert(planning.was_locked);
	desktop_change_end(&c);
	/* Nothing was begun. */
	ck_assert_int_eq(access(path_of(ENTRY), F_OK), -1);
	folder_remove();
}
END_TEST

/* An entry that cannot be read now is the only one that knows what the desktop was. */
START_TEST(an_unreadable_entry_stays)
{
	struct bind_env env = env_make();
	struct stat st;
	struct err e = {0};

	ck_assert_int_eq(mkdir(path_of("desktop"), 0755), 0);
	ck_assert_int_eq(symlink(CARD, path_of(ENTRY)), 0);
	ck_assert_int_eq(desktop_restore(&env, card, NULL, NULL, &e), -ELOOP);
	ck_assert_msg(strstr(e.msg, CARD) != NULL, "%s", e.msg);
	ck_assert_int_eq(lstat(path_of(ENTRY), &st), 0);
	folder_remove();
}
END_TEST

START_TEST(a_wrong_entry_goes)
{
	struct bind_env env = env_make();
	struct err e = {0};

	ck_assert_int_eq(mkdir(path_of("desktop"), 0755), 0);
	int fd = open(path_of(ENTRY), O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, "nonsense\n", 9), 9);
	(void)close(fd);
	ck_assert_msg(desktop_restore(&env, card, NULL, NULL, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(access(path_of(ENTRY), F_OK), -1);
	folder_remove();
}
END_TEST

SUITE("desktop change", plans_under_the_lock, an_unreadable_entry_stays, a_wrong_entry_goes)
