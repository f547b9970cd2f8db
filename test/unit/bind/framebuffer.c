/* SPDX-License-Identifier: MIT */
#include "bind/framebuffer.h"

#include "base/err.h"
#include "bind/lend.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The second device is a graphics card, and the firmware's framebuffer is in its BAR 1. */
static struct bind_env set(void)
{
	struct bind_env env = stage_set();

	stage->devices[1].d.class = 0x038000;
	stage->devices[1].bar_mib = 256;
	stage->framebuffer = stage->framebuffer_on = true;
	return env;
}

static int take(const struct bind_env *env)
{
	struct err e = {0};

	return lend_take(env, &LEND_REQUEST, &e);
}

static void restore(const struct bind_env *env)
{
	struct err e = {0};

	ck_assert_msg(lend_restore(env, LEND_GROUP, BIND_MANUAL_RELEASE, &e) == 0, "%s", e.msg);
	ck_assert_str_eq(stage->devices[1].d.driver, "e1000");
}

START_TEST(is_let_go_and_comes_back)
{
	struct bind_env env = set();

	ck_assert_int_eq(take(&env), 0);
	ck_assert(!stage->framebuffer_on);
	ck_assert_str_eq(stage->devices[1].d.driver, "vfio-pci");
	restore(&env);
	ck_assert(stage->framebuffer_on);
}
END_TEST

START_TEST(is_told_in_the_plan)
{
	struct bind_env env = set();
	struct bind_step *steps = NULL;
	struct err e = {0};
	struct bind_plan p;
	size_t count = 0;

	ck_assert_int_eq(bind_plan(&env, &LEND_REQUEST, &p, &e), 0);
	ck_assert_uint_eq(p.refusals, 0);
	ck_assert_str_eq(p.problems[0].check, "framebuffer");
	ck_assert_ptr_nonnull(strstr(p.problems[0].text, "(BOOTFB) lies in its BAR 1"));
	ck_assert_int_eq(bind_plan_steps(&env, &LEND_REQUEST, &p, &steps, &count), 0);
	ck_assert_str_eq(steps[1].path, "/sys/bus/platform/drivers/efi-framebuffer/unbind");
	ck_assert_str_eq(steps[1].text, STAGE_FRAMEBUFFER);
	free(steps);
	bind_plan_fini(&p);
}
END_TEST

/* The framebuffer is in no BAR of the device; there is none; the device is no graphics card. */
START_TEST(is_left_alone_elsewhere)
{
	struct bind_env env = set();

	stage->devices[1].bar_mib = 0;
	stage->devices[3].bar_mib = 256;
	ck_assert_int_eq(take(&env), 0);
	ck_assert(stage->framebuffer_on);
	restore(&env);
	env = set();
	stage->devices[1].d.class = 0x020000;
	ck_assert_int_eq(take(&env), 0);
	ck_assert(stage->framebuffer_on);
	restore(&env);
}
END_TEST

/* A graphics driver has removed the platform device for good; that is not a failure. */
START_TEST(may_be_gone_at_the_end)
{
	struct bind_env env = set();

	ck_assert_int_eq(take(&env), 0);
	stage->framebuffer = false;
	restore(&env);
}
END_TEST

START_TEST(comes_back_after_any_crash)
{
	int n = 1, status = 0;

	for (;; n++) {
		struct bind_env env = set();
		char text[12];

		(void)snprintf(text, sizeof(text), "%d", n);
		ck_assert_int_eq(setenv("USHER_BIND_DIE", text, 1), 0);
		pid_t pid = fork();
		if (pid == 0)
			_exit(take(&env) ? 1 : 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(unsetenv("USHER_BIND_DIE"), 0);
		if (WIFEXITED(status))
			break;
		restore(&env);
		ck_assert(stage->framebuffer_on);
	}
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert_int_eq(n, 12); /* two journals, the framebuffer, and eight writes as ever */
}
END_TEST

SUITE("framebuffer", is_let_go_and_comes_back, is_told_in_the_plan, is_left_alone_elsewhere,
	may_be_gone_at_the_end, comes_back_after_any_crash)
