/* SPDX-License-Identifier: MIT */
#include "engine/limit.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/spec.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64], own[80];
static struct cgroup_place place;
static struct err e;

/* Each word of @text becomes the content of a file of the cgroup @dir: "cgroup.procs=7". */
static void cgroup_put(const char *dir, const char *text)
{
	char path[FILE_PATH_MAX], copy[256], *save = NULL;

	(void)snprintf(path, sizeof(path), "%s%s", top, dir);
	ck_assert_int_eq(file_mkdirs(path, 0755), 0);
	(void)snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok_r(copy, ";", &save); word; word = strtok_r(NULL, ";", &save)) {
		char *value = strchr(word, '=');
		*value = '\0';
		(void)snprintf(path, sizeof(path), "%s%s/%s", top, dir, word);
		ck_assert_int_eq(file_replace(path, value + 1, strlen(value + 1), 0644), 0);
	}
}

static void tree_remove(void)
{
	char command[96];

	(void)snprintf(command, sizeof(command), "rm -rf %s", top);
	ck_assert_int_eq(system(command), 0);
}

/* The cgroups of a session: only the session's own has processes. */
static void tree_make(const char *ours)
{
	char text[128];

	if (top[0])
		tree_remove();
	(void)snprintf(top, sizeof(top), "/tmp/usher-limit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	(void)snprintf(own, sizeof(own), "%s/own", top);
	(void)snprintf(text, sizeof(text), "0::%s\n", ours);
	ck_assert_int_eq(file_replace(own, text, strlen(text), 0644), 0);
	cgroup_put("", "cgroup.controllers=cpuset cpu io memory\n;cgroup.procs=2\n;"
		       "cgroup.subtree_control=cpu memory\n");
	cgroup_put("/user",
		"cgroup.controllers=cpu memory\n;cgroup.procs=;cgroup.type=domain\n;"
		"cgroup.subtree_control=memory\n;cpu.max=max 100000\n;memory.max=max\n");
	cgroup_put("/user/session",
		"cgroup.controllers=memory\n;cgroup.procs=77\n;cgroup.type=domain\n;"
		"cgroup.subtree_control=;memory.max=max\n");
}

static int find(const char *need, bool climb)
{
	e = (struct err){0};
	return cgroup_find((struct cgroup_tree){top, own}, need, climb, &place, &e);
}

static void expect_place(const char *dir)
{
	char path[FILE_PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s%s", top, dir);
	ck_assert_str_eq(place.dir, path);
}

START_TEST(a_share_of_a_processor)
{
	static const char *const wrong[] = {
		"", "%", "150", "0%", "24001%", "1.5%", "-1%", "1e2%", "150%%", " 150%", "999999%"};
	struct limit l = {0};

	ck_assert_int_eq(limit_parse_cpu("150%", &l, &e), 0);
	ck_assert_uint_eq(l.cpu, 150);
	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(limit_parse_cpu(wrong[i], &l, &e) == -EINVAL, "'%s'", wrong[i]);
	ck_assert_uint_eq(l.cpu, 150);
}
END_TEST

START_TEST(memory_of_the_process)
{
	struct guest_spec s = {.memory = MIB(1024)};

	ck_assert_uint_eq(limit_memory_of(&s), MIB(1024 + 32 + 256));
	s.hugepages = true;
	ck_assert_uint_eq(limit_memory_of(&s), MIB(32 + 256));
	ck_assert_int_eq(limit_parse_memory("none", &s.limit, &e), 0);
	ck_assert_uint_eq(limit_memory_of(&s), UINT64_MAX);
	ck_assert_int_eq(limit_parse_memory("2G", &s.limit, &e), 0);
	ck_assert_uint_eq(limit_memory_of(&s), MIB(2048));
	ck_assert_int_eq(limit_parse_memory("0", &s.limit, &e), -EINVAL);
	ck_assert_int_eq(limit_parse_memory("much", &s.limit, &e), -EINVAL);
}
END_TEST

START_TEST(refuses_less_than_the_memory_of_the_guest)
{
	struct guest_spec s = {
		.memory = MIB(1024), .limit = {.kind = LIMIT_MEMORY_GIVEN, .memory = MIB(1023)}};

	ck_assert_int_eq(limit_check(&s, s.memory, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "1023 MiB are less than the guest's memory, 1024 MiB"));
	s = (struct guest_spec){.memory = MIB(1024)};
	ck_assert_int_eq(limit_check(&s, s.memory, &e), 0);
}
END_TEST

/* A session has processes, so its children get no controllers. */
START_TEST(climbs_out_of_a_session)
{
	tree_make("/user/session");
	ck_assert_int_eq(find("memory", false), -EBUSY);
	ck_assert_ptr_nonnull(strstr(e.msg, "has processes"));
	ck_assert_int_eq(find("memory", true), 0);
	expect_place("/user");
	ck_assert_int_eq(find("cpu memory", true), 0);
	expect_place("/user");
	ck_assert_int_eq(find("cpuset", true), 0);
	expect_place("");
	ck_assert_int_eq(find("hugetlb", true), -ENOENT);
	ck_assert_ptr_nonnull(strstr(e.msg, "no controller 'hugetlb'"));
	tree_remove();
}
END_TEST

START_TEST(stays_where_it_may)
{
	tree_make("/user");
	ck_assert_int_eq(find("cpu", false), 0);
	expect_place("/user");
	/* A processes' own cgroup whose children have the controller already. */
	tree_make("/user/session");
	cgroup_put("/user/session", "cgroup.subtree_control=memory\n");
	ck_assert_int_eq(find("memory", false), 0);
	expect_place("/user/session");
	tree_remove();
}
END_TEST

START_TEST(leaves_no_limit_that_holds_for_itself)
{
	tree_make("/user/session");
	cgroup_put("/user/session", "memory.max=1073741824\n");
	ck_assert_int_eq(find("memory", true), -EBUSY);
	ck_assert_ptr_nonnull(strstr(e.msg, "/user/session has a limit"));
	tree_make("/user/session");
	cgroup_put("/user", "cpu.max=50000 100000\n;cgroup.procs=5\n");
	ck_assert_int_eq(find("cpu", true), -EBUSY);
	ck_assert_ptr_nonnull(strstr(e.msg, "/user has a limit"));
	tree_remove();
}
END_TEST

START_TEST(says_why_there_is_none)
{
	tree_make("/user/session");
	ck_assert_int_eq(cgroup_find((struct cgroup_tree){"/tmp/usher-nothing", own}, "cpu", true,
				 &place, &e),
		-ENOENT);
	ck_assert_ptr_nonnull(strstr(e.msg, "version 2"));
	/* A container: its first cgroup has a type, as it is another's child. */
	tree_make("/");
	cgroup_put("", "cgroup.type=domain\n;cgroup.subtree_control=");
	ck_assert_int_eq(find("cpu", true), -EBUSY);
	ck_assert_ptr_nonnull(strstr(e.msg, "has processes"));
	tree_remove();
}
END_TEST

START_TEST(explains_the_end_of_a_guest_by_its_limit)
{
	struct guest_spec s = {.name = "web", .memory = MIB(64)};
	struct cgroup g = CGROUP_NONE;

	tree_make("/user");
	(void)snprintf(g.dir, sizeof(g.dir), "%s/user", top);
	cgroup_put("/user", "memory.events=low 0\nmax 9\noom 1\noom_kill 0\noom_group_kill 5\n");
	e = (struct err){0};
	limit_explain(&s, &g, &e);
	ck_assert_int_eq(e.code, 0);
	cgroup_put("/user", "memory.events=low 0\nmax 9\noom 1\noom_kill 1\noom_group_kill 0\n");
	limit_explain(&s, &g, &e);
	ck_assert_int_eq(e.code, -ENOMEM);
	ck_assert_ptr_nonnull(
		strstr(e.msg, "guest 'web': it needed more memory than its limit, 322"));
	tree_remove();
}
END_TEST

SUITE("limit", a_share_of_a_processor, memory_of_the_process,
	refuses_less_than_the_memory_of_the_guest, climbs_out_of_a_session, stays_where_it_may,
	leaves_no_limit_that_holds_for_itself, says_why_there_is_none,
	explains_the_end_of_a_guest_by_its_limit)
