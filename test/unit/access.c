/* SPDX-License-Identifier: MIT */
#include "bind/access.h"
#include "stage.h"
#include "suite.h"

#include <unistd.h>

static const struct bind_target target = {.address = {0, 2, 0, 1}};

static struct bind_request request(void)
{
	return (struct bind_request){
		.targets = &target, .target_count = 1, .access = BIND_ACCESS_NONE};
}

static int take(const struct bind_env *env, const struct bind_request *q, struct err *e)
{
	struct bind_plan p;

	int r = bind_take(env, q, &p, e);
	bind_plan_fini(&p);
	return r;
}

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

/* Whose nodes they are stays so until the release, also for who takes it after another. */
START_TEST(keeps_the_owner_of_nodes)
{
	static const char *const user[] = {"user"};
	struct bind_env env = stage_set();
	struct bind_request q = request();
	struct err e = {0};

	q.access = (struct bind_access){1000, (gid_t)-1, 0};
	ck_assert_int_eq(take(&env, &q, &e), -EPERM);
	ck_assert_str_eq(stage->rule, "");
	q.allow = user;
	q.allow_count = 1;
	ck_assert_msg(take(&env, &q, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(stage->node.uid, 1000);
	ck_assert_ptr_nonnull(strstr(stage->rule,
		"SUBSYSTEM==\"vfio\", KERNEL==\"7\", "
		"TEST==\"/sys/kernel/iommu_groups/7/devices/0000:02:00.1\", OWNER=\"1000\"\n"));
	ck_assert_ptr_nonnull(strstr(stage->rule,
		"SUBSYSTEM==\"vfio-dev\", KERNELS==\"0000:02:00.3\", OWNER=\"1000\"\n"));
	ck_assert_ptr_null(strstr(stage->rule, "02:00.0")); /* the bridge */
	/* A guest takes it and gives it back to him. */
	stage->node = BIND_ACCESS_NONE;
	struct bind_request guest = request();
	ck_assert_int_eq(bind_owner_self(&env, "web", &guest.owner), 0);
	ck_assert_msg(take(&env, &guest, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(stage->node.uid, 1000);
	ck_assert_msg(
		release(&env, (struct bind_giving){.owner = guest.owner}, &e) == 0, "%s", e.msg);
	ck_assert_str_ne(stage->rule, "");
	/* One who fails to take it over leaves it to him. */
	q.access.uid = 2000;
	stage->no_node = true;
	ck_assert_int_eq(take(&env, &q, &e), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(stage->rule, "OWNER=\"1000\""));
	stage->no_node = false;
	ck_assert_int_eq(release(&env, (struct bind_giving){0}, &e), 0);
	ck_assert_str_eq(stage->rule, "");
	is_on(1, "e1000", "");
	ck_assert(!journal_exists());
	/* One who fails to take it at all leaves nothing. */
	stage->no_node = true;
	ck_assert_int_eq(take(&env, &q, &e), -ETIMEDOUT);
	ck_assert_str_eq(stage->rule, "");
	is_on(1, "e1000", "");
	ck_assert(!journal_exists());
}
END_TEST

SUITE("access", keeps_the_owner_of_nodes)
