/* SPDX-License-Identifier: MIT */
#include "vfs/plan.h"

#include "base/err.h"
#include "base/file.h"
#include "bind/lend.h"
#include "bind/owner.h"
#include "host/rtnl.h"
#include "suite.h"
#include "vfs/entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct pci_address pf = {0, 2, 0, 1};

static struct bind_env set(void)
{
	struct bind_env env = stage_set();

	stage->devices[1].total = 4;
	stage->devices[1].autoprobe = true;
	return env;
}

static int change(const struct bind_env *env, unsigned count, struct err *e)
{
	const struct vfs_request q = {{.address = pf}, count};
	struct vfs_plan p;

	int r = vfs_set(env, &q, &p, e);
	if (r == 0)
		ck_assert_uint_eq(p.function_count, count);
	vfs_plan_fini(&p);
	return r;
}

static bool entry_exists(const struct bind_env *env)
{
	struct vfs_entry n;

	return vfs_entry_read(env, pf, &n, NULL) == 0;
}

static void as_first(const struct bind_env *env)
{
	ck_assert_uint_eq(stage->devices[1].numvfs, 0);
	ck_assert(stage->devices[1].autoprobe);
	ck_assert(!entry_exists(env));
}

START_TEST(makes_and_removes)
{
	struct bind_env env = set();
	struct err e = {0};

	ck_assert_msg(change(&env, 2, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(stage->devices[1].numvfs, 2);
	ck_assert(entry_exists(&env) && !stage->devices[1].autoprobe);
	ck_assert_msg(change(&env, 4, &e) == 0, "%s", e.msg);
	ck_assert_msg(change(&env, 0, &e) == 0, "%s", e.msg);
	as_first(&env);
	ck_assert_uint_eq(stage->hosted, 0);
}
END_TEST

/* A plan for @count functions has one problem, with @text. */
static void refused(const struct bind_env *env, unsigned count, const char *text)
{
	const struct vfs_request q = {{.address = pf}, count};
	struct vfs_plan p;
	struct err e = {0};

	ck_assert_int_eq(vfs_set(env, &q, &p, &e), -EPERM);
	ck_assert_uint_eq(p.says.refusals, 1);
	ck_assert_msg(strstr(p.says.problems[0].text, text), "%s", p.says.problems[0].text);
	vfs_plan_fini(&p);
}

START_TEST(refuses_impossible_counts)
{
	struct bind_env env = set();

	refused(&env, 5, "at most 4");
	stage->devices[1].d.driver[0] = '\0';
	refused(&env, 1, "has no driver");
	stage->devices[1].total = 0;
	refused(&env, 1, "no virtual functions to offer");
}
END_TEST

/* The second virtual function; it has a group of its own. */
static const struct bind_release_request function = {.group = 21};

static int take_function(const struct bind_env *env, struct err *e)
{
	const struct bind_target vf = {.address = {0, 2, 1, 1}};
	struct bind_request q = LEND_REQUEST;

	q.targets = &vf;
	return lend_take(env, &q, e);
}

START_TEST(refuses_while_one_is_bound)
{
	struct bind_env env = set();
	struct err e = {0};

	ck_assert_int_eq(change(&env, 2, &e), 0);
	ck_assert_msg(take_function(&env, &e) == 0, "%s", e.msg);
	refused(&env, 0, "bound manually");
	refused(&env, 3, "bound manually");
	ck_assert_int_eq(vfs_restore(&env, pf, BIND_MANUAL_RELEASE, &e), -EPERM);
	ck_assert_uint_eq(stage->devices[1].numvfs, 2);
	ck_assert_msg(lend_release(&env, function, &e) == 0, "%s", e.msg);
	(void)snprintf(stage->devices[4].d.driver, PCI_NAME_MAX, "vfio-pci"); /* by others */
	refused(&env, 0, "is bound to vfio-pci");
	stage->devices[4].d.driver[0] = '\0';
	ck_assert_int_eq(change(&env, 0, &e), 0);
	as_first(&env);
}
END_TEST

START_TEST(undoes_when_a_write_fails)
{
	struct err e = {0};
	int k = 1;

	for (;; k++) {
		struct bind_env env = set();
		stage->fail_at = k;
		int r = change(&env, 2, &e);
		if (r == 0)
			break;
		ck_assert_int_eq(r, -EIO);
		as_first(&env);
	}
	ck_assert_int_eq(k, 3); /* autoprobe, number */
	struct bind_env env = stage_set();
	stage->devices[1].total = 4;
	ck_assert_int_eq(vfs_restore(&env, pf, BIND_MANUAL_RELEASE, &e), 0);
}
END_TEST

START_TEST(restores_the_original_count)
{
	struct bind_env env = set();
	struct err e = {0};

	ck_assert_int_eq(change(&env, 2, &e), 0);
	stage->no_room = true;
	ck_assert_int_eq(change(&env, 3, &e), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(e.msg, "no memory space or bus numbers"));
	ck_assert_uint_eq(stage->devices[1].numvfs, 2);
	ck_assert(!stage->devices[1].autoprobe);
	ck_assert_int_eq(vfs_restore(&env, pf, BIND_MANUAL_STAYS, &e), 1);
	ck_assert_int_eq(vfs_restore(&env, pf, BIND_MANUAL_RELEASE, &e), 0);
	as_first(&env);
}
END_TEST

/*
 * The host had two of its own. After a crash anywhere, restore creates them again, on its driver.
 */
START_TEST(survives_a_crash_anywhere)
{
	int n = 1, status = 0;
	struct err e = {0};

	for (;; n++) {
		struct bind_env env = set();
		char text[12];

		ck_assert_int_eq(stage_numvfs(&stage->devices[1], 2), 0);
		(void)snprintf(stage->devices[4].d.driver, PCI_NAME_MAX, "vfdrv");
		(void)snprintf(text, sizeof(text), "%d", n);
		ck_assert_int_eq(setenv("USHER_BIND_DIE", text, 1), 0);
		pid_t pid = fork();
		if (pid == 0)
			_exit(change(&env, 3, &e) ? 1 : 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(unsetenv("USHER_BIND_DIE"), 0);
		ck_assert_msg(vfs_restore(&env, pf, BIND_MANUAL_RELEASE, &e) == 0, "%s", e.msg);
		ck_assert_uint_eq(stage->devices[1].numvfs, 2);
		ck_assert(stage->devices[1].autoprobe && !entry_exists(&env));
		ck_assert_str_eq(stage->devices[4].d.driver, "vfdrv");
		if (WIFEXITED(status))
			break;
	}
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert_int_eq(n, 6); /* two journals, 0, autoprobe, 3 */
}
END_TEST

static int remove_all(const struct bind_env *env, struct err *e)
{
	return change(env, 0, e);
}

static int restore(const struct bind_env *env, struct err *e)
{
	return vfs_restore(env, pf, BIND_MANUAL_STAYS, e) < 0 ? -EIO : 0;
}

/* Three made manually: an interrupted removal leaves all three; a completed one leaves none. */
START_TEST(survives_a_crash_of_the_removal_anywhere)
{
	struct err e = {0};
	unsigned n = 1;

	for (;; n++) {
		struct bind_env env = set();
		ck_assert_msg(change(&env, 3, &e) == 0, "%s", e.msg);
		bool died = lend_dies_at(&env, n, remove_all);
		if (!entry_exists(&env)) {
			as_first(&env);
			if (!died)
				break;
			continue;
		}
		ck_assert_msg(vfs_restore(&env, pf, BIND_MANUAL_STAYS, &e) >= 0, "%s", e.msg);
		ck_assert_uint_eq(stage->devices[1].numvfs, 3);
		ck_assert_uint_eq(stage->hosted, 0);
		/* And the next change is not refused because of it. */
		ck_assert_msg(change(&env, 0, &e) == 0, "%s", e.msg);
		as_first(&env);
	}
	ck_assert_uint_eq(n, 5); /* two journals, 0, autoprobe */
}
END_TEST

/* The writer process of a killed usher ends a moment later: usher waits instead of refusing. */
START_TEST(waits_for_a_writer_that_ends)
{
	struct bind_env env = set();
	struct bind_transaction w = {.env = &env};
	struct vfs_entry n;
	struct err e = {0};

	ck_assert_msg(change(&env, 2, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(vfs_entry_read(&env, pf, &n, &e), 0);
	pid_t child = fork();
	if (child == 0) {
		(void)usleep(300000);
		_exit(0);
	}
	n.changing = true;
	n.writer = child;
	ck_assert_int_eq(bind_owner_start(&stage_host, child, &n.writer_start), 0);
	ck_assert_int_eq(vfs_entry_write(&w, &n, &e), 0);
	ck_assert_msg(change(&env, 3, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_msg(change(&env, 0, &e) == 0, "%s", e.msg);
	as_first(&env);
}
END_TEST

static int make_three(const struct bind_env *env, struct err *e)
{
	return change(env, 3, e);
}

/* A change dies after each of its writes, and the restore that follows after each of its own. */
START_TEST(survives_a_crash_of_the_restore_too)
{
	unsigned deaths = 0;
	bool died = true;
	struct err e = {0};

	for (unsigned first = 1; died; first++) {
		bool again = true;
		for (unsigned n = 1; again; n++) {
			struct bind_env env = set();
			ck_assert_msg(change(&env, 2, &e) == 0, "%s", e.msg);
			died = lend_dies_at(&env, first, make_three);
			again = lend_dies_at(&env, n, restore);
			deaths += again;
			ck_assert_msg(restore(&env, &e) == 0, "%s", e.msg);
			/* The last death comes after the last write. */
			ck_assert_uint_eq(stage->devices[1].numvfs, first < 4 ? 2 : 3);
			ck_assert_uint_eq(stage->hosted, 0);
			ck_assert_msg(change(&env, 0, &e) == 0, "%s", e.msg);
			as_first(&env);
		}
	}
	ck_assert_uint_gt(deaths, 8);
}
END_TEST

START_TEST(rejects_a_truncated_entry)
{
	struct bind_env env = set();
	struct bind_lease *list = NULL;
	char path[FILE_PATH_MAX], text[512];
	struct err e = {0};
	size_t count = 0;

	ck_assert_int_eq(change(&env, 1, &e), 0);
	ck_assert_int_eq(vfs_entry_path(&env, pf, path, sizeof(path)), 0);
	ssize_t len = file_read(path, text, sizeof(text));
	ck_assert_int_gt(len, 0);
	for (ssize_t i = 0; i < len; i++) {
		struct vfs_entry n;
		ck_assert_int_eq(file_replace(path, text, (size_t)i, 0644), 0);
		ck_assert_int_eq(vfs_entry_read(&env, pf, &n, &e), -EBADMSG);
	}
	ck_assert_int_eq(vfs_leases(&env, &list, &count, &e), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(list[0].state, BIND_LEASE_CORRUPT);
	free(list);
	ck_assert_int_eq(vfs_restore(&env, pf, BIND_MANUAL_STAYS, &e), 0);
	ck_assert(access(path, F_OK) < 0);
}
END_TEST

static const uint8_t mac[] = {0x52, 0x54, 0, 0, 0, 9};

static struct bind_env set_net(void)
{
	struct bind_env env = set();
	struct err e = {0};

	stage->net = true;
	ck_assert_msg(change(&env, 2, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(stage->vf_changes, 0);
	memcpy(stage->vf[1].mac, mac, sizeof(mac));
	stage->vf[0].vlan = 100;
	return env;
}

static bool has_settings(void)
{
	return memcmp(stage->vf[1].mac, mac, sizeof(mac)) == 0 && stage->vf[0].vlan == 100;
}

START_TEST(keeps_settings)
{
	struct bind_env env = set_net();
	struct err e = {0};

	ck_assert_msg(change(&env, 4, &e) == 0, "%s", e.msg);
	ck_assert(has_settings());
	ck_assert_uint_eq(stage->vf_changes, 2);
	/* Fewer functions: only those keep their settings. */
	ck_assert_msg(change(&env, 1, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(stage->vf[0].vlan, 100);
	ck_assert_uint_eq(stage->vf_changes, 3);
	/* A later change by the administrator wins. */
	stage->vf[0].vlan = 7;
	ck_assert_msg(change(&env, 2, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(stage->vf[0].vlan, 7);
	/* The driver refuses a setting: the functions exist, and usher reports it. */
	memcpy(stage->vf[1].mac, mac, sizeof(mac));
	stage->vf_refuses = RTNL_VLAN;
	ck_assert_int_eq(change(&env, 4, &e), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(e.msg, "eth0: set vlan of virtual function 0"));
	ck_assert_uint_eq(stage->devices[1].numvfs, 4);
	ck_assert(memcmp(stage->vf[1].mac, mac, sizeof(mac)) == 0);
	ck_assert_int_eq(change(&env, 0, &e), 0);
	as_first(&env);
}
END_TEST

static int make_four(const struct bind_env *env, struct err *e)
{
	return change(env, 4, e);
}

START_TEST(keeps_settings_over_failures_and_crashes)
{
	struct err e = {0};
	bool died = true;
	int k = 1;

	for (;; k++) {
		struct bind_env env = set_net();
		stage->writes = 0;
		stage->fail_at = k;
		if (change(&env, 4, &e) == 0)
			break;
		ck_assert_uint_eq(stage->devices[1].numvfs, 2);
		ck_assert_msg(has_settings(), "after write %d failed", k);
	}
	ck_assert_int_eq(k, 3);
	for (unsigned n = 1; died; n++) {
		struct bind_env env = set_net();
		died = lend_dies_at(&env, n, make_four);
		ck_assert_msg(vfs_restore(&env, pf, BIND_MANUAL_STAYS, &e) >= 0, "%s", e.msg);
		ck_assert_msg(has_settings(), "after a death at change %u", n);
	}
}
END_TEST

START_TEST(gives_a_function_back_as_it_was_set)
{
	struct bind_env env = set_net();
	struct err e = {0};

	ck_assert_msg(take_function(&env, &e) == 0, "%s", e.msg);
	memset(stage->vf[1].mac, 0xee, 6);
	stage->vf[1].vlan = 5;
	/* A second take, also for another owner: the settings of before the first one count. */
	ck_assert_msg(take_function(&env, &e) == 0, "%s", e.msg);
	ck_assert_msg(lend_release(&env, function, &e) == 0, "%s", e.msg);
	ck_assert(has_settings());
	ck_assert_uint_eq(stage->vf[1].vlan, 0);
	ck_assert_uint_eq(stage->vf_changes, 2);
}
END_TEST

START_TEST(removes_what_it_cannot_read)
{
	struct bind_env env = set_net();
	struct err e = {0};

	stage->vf_silent = true;
	ck_assert_int_lt(change(&env, 3, &e), 0);
	ck_assert_uint_eq(stage->devices[1].numvfs, 2);
	ck_assert_msg(change(&env, 0, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(stage->devices[1].numvfs, 0);
}
END_TEST

/* restore reports settings that it could not set again. */
START_TEST(restore_reports_lost_settings)
{
	struct bind_env env = set_net();
	struct err e = {0};

	ck_assert(lend_dies_at(&env, 2, make_three)); /* the journal, and autoprobe or 0 */
	stage->devices[1].numvfs = 0; /* the same as after the next step */
	memset(stage->vf, 0, sizeof(stage->vf)); /* the driver forgot them */
	for (uint32_t i = 0; i < 4; i++)
		stage->vf[i].index = i;
	stage->vf_refuses = RTNL_MAC;
	ck_assert_int_eq(vfs_restore(&env, pf, BIND_MANUAL_STAYS, &e), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(e.msg, "the virtual functions are there, but"));
	ck_assert_uint_eq(stage->devices[1].numvfs, 2);
}
END_TEST

START_TEST(holds_settings_to_the_form)
{
	const struct host_vf all = {
		3, {1, 2, 3, 4, 5, 0xff}, 4095, 7, 0x88a8, 10, 1000, 1, 2, HOST_VF_UNTOLD, 0};
	char text[BIND_VF_SETTINGS_TEXT], other[BIND_VF_SETTINGS_TEXT];
	struct host_vf again;

	ck_assert_str_eq(bind_vf_settings_format(&all, text),
		"3 01:02:03:04:05:ff 4095 7 0x88a8 10 1000 1 2 - 0");
	ck_assert_int_eq(bind_vf_settings_parse(text, &again), 0);
	ck_assert_mem_eq(again.mac, all.mac, 6);
	ck_assert_uint_eq(again.rss_query, HOST_VF_UNTOLD);
	ck_assert_uint_eq(again.trust, 0);
	for (size_t i = 0; i < strlen(text); i++) {
		(void)strcpy(other, text);
		other[i] = '/';
		ck_assert_int_eq(bind_vf_settings_parse(other, &again), -EBADMSG);
	}
}
END_TEST

SUITE("sriov", makes_and_removes, refuses_impossible_counts, refuses_while_one_is_bound,
	undoes_when_a_write_fails, restores_the_original_count, survives_a_crash_anywhere,
	survives_a_crash_of_the_removal_anywhere, survives_a_crash_of_the_restore_too,
	waits_for_a_writer_that_ends, rejects_a_truncated_entry, keeps_settings,
	keeps_settings_over_failures_and_crashes, gives_a_function_back_as_it_was_set,
	removes_what_it_cannot_read, restore_reports_lost_settings, holds_settings_to_the_form)
