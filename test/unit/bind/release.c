/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/file.h"
#include "bind/lend.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Three devices that another tool has bound to VFIO. */
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
	lend_is_on(1, "e1000", "");
	lend_is_on(2, "other", "");
	lend_is_on(3, "e1000", "");
	ck_assert(!lend_journal_exists(LEND_GROUP));
}

static int release(const struct bind_env *env, struct err *e)
{
	return lend_release(env, (struct bind_release_request){0}, e);
}

static int restore(const struct bind_env *env, struct err *e)
{
	return lend_restore(env, LEND_GROUP, BIND_MANUAL_STAYS, e);
}

START_TEST(releases_what_others_bound)
{
	struct bind_env env;
	struct bind_release_request nowhere = {.how = BIND_RETURN_NONE},
				    vfio = {.how = BIND_RETURN_VFIO};
	struct err e = {0};
	unsigned n = 1;

	env = set_foreign();
	ck_assert_msg(lend_release(&env, vfio, &e) == 0, "%s", e.msg);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	ck_assert(!lend_journal_exists(LEND_GROUP));
	ck_assert_msg(lend_release(&env, nowhere, &e) == 0, "%s", e.msg);
	lend_is_on(1, "", "");
	ck_assert(!lend_journal_exists(LEND_GROUP));
	env = set_foreign();
	while (lend_dies_at(&env, n, release)) {
		ck_assert_msg(
			lend_restore(&env, LEND_GROUP, BIND_MANUAL_STAYS, &e) == 0, "%s", e.msg);
		foreign_is_home();
		env = set_foreign();
		n++;
	}
	ck_assert_uint_eq(n - 1, 12); /* entry, its end, the rule's end; 3 for each */
	foreign_is_home();
}
END_TEST

/* Another tool writes an override while usher has the device: that one stays, and decides. */
START_TEST(keeps_the_override_of_another_tool)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	(void)snprintf(stage->devices[1].d.driver_override, PCI_NAME_MAX, "other");
	ck_assert_msg(release(&env, &e) == 0, "%s", e.msg);
	lend_is_on(1, "other", "other");
	lend_is_on(2, "sib", "sib");
	ck_assert(!lend_journal_exists(LEND_GROUP));
}
END_TEST

/* An unbind would wait in the kernel. */
START_TEST(leaves_a_group_that_somebody_holds_unseen)
{
	const char *allow[] = {"vfio"};
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	stage->hidden = true;
	ck_assert_int_eq(release(&env, &e), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.msg, "a process that usher cannot find"));
	ck_assert_int_eq(lend_restore(&env, LEND_GROUP, BIND_MANUAL_RELEASE, &e), -EPERM);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	ck_assert_int_eq(
		lend_release(
			&env, (struct bind_release_request){.allow = allow, .allow_count = 1}, &e),
		0);
	lend_is_on(1, "e1000", "");
}
END_TEST

START_TEST(says_that_nothing_was_taken)
{
	struct bind_env env = stage_set();
	struct bind_release_request g = {.group = LEND_GROUP};
	struct bind_request q = LEND_REQUEST;
	struct bind_report report;
	struct err e = {0};

	ck_assert_int_eq(bind_release(&env, &g, &report, &e), 0);
	ck_assert(report.idle);
	bind_report_fini(&report);
	/* Neither on VFIO nor on its own driver: that is not what a release promises. */
	(void)snprintf(stage->devices[3].d.driver_override, PCI_NAME_MAX, "vfio-pci");
	ck_assert_int_eq(bind_release(&env, &g, &report, &e), -ENODEV);
	ck_assert_ptr_nonnull(strstr(e.msg, "keeps others away"));
	bind_report_fini(&report);
	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(bind_release(&env, &g, &report, &e), 0);
	ck_assert(!report.idle);
	bind_report_fini(&report);
}
END_TEST

/* A crash inside file_replace() leaves a temporary file next to the entry. */
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
	ck_assert_msg(lend_restore(&env, LEND_GROUP, BIND_MANUAL_STAYS, &e) == 0, "%s", e.msg);
	ck_assert_int_lt(access(half, F_OK), 0);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	/* The next release removes its entry, and this file. */
	ck_assert_int_eq(file_replace(half, "usher-jo", 8, 0644), 0);
	ck_assert_int_eq(lend_release(&env, (struct bind_release_request){0}, &e), 0);
	ck_assert_int_lt(access(half, F_OK), 0);
	foreign_is_home();
}
END_TEST

/*
 * The release dies after each of its changes, and the restore that follows after each of its own.
 */
START_TEST(survives_two_crashes_anywhere)
{
	unsigned first = 1, deaths = 0;
	bool died = true;
	struct err e = {0};

	while (died) {
		for (unsigned n = 1;; n++) {
			struct bind_env env = stage_set();
			struct bind_request q = LEND_REQUEST;
			ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
			died = lend_dies_at(&env, first, release);
			bool again = lend_dies_at(&env, n, restore);
			deaths += again;
			ck_assert_msg(lend_restore(&env, LEND_GROUP, BIND_MANUAL_STAYS, &e) == 0,
				"%s", e.msg);
			lend_is_on(1, "e1000", "");
			lend_is_on(2, "sib", "sib");
			lend_is_on(3, "", "");
			ck_assert(!lend_journal_exists(LEND_GROUP));
			if (!again)
				break;
		}
		first++;
	}
	ck_assert_uint_gt(first, 9); /* the entry and its end, two writes or more for each */
	ck_assert_uint_gt(deaths, 40);
}
END_TEST

/*
 * The process that writes for a release is killed before each of its writes: the entry stays, and
 * the next restore finishes, with the settings that a release may otherwise ignore.
 */
START_TEST(keeps_the_entry_when_its_writer_is_lost)
{
	struct err e = {0};
	int n = 1;

	for (bool lost = true; lost; n++) {
		struct bind_env env = stage_set();
		struct bind_request q = LEND_REQUEST;

		(void)strcpy(stage->devices[1].control, "auto");
		ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
		stage->gone_at = stage->writes + n;
		int r = release(&env, &e);
		lost = stage->writes >= stage->gone_at;
		stage->gone_at = 0;
		ck_assert_int_eq(r, lost ? -EPIPE : 0);
		ck_assert_int_eq(lend_journal_exists(LEND_GROUP), lost);
		ck_assert_msg(restore(&env, &e) == 0, "%s", e.msg);
		lend_is_on(1, "e1000", "");
		lend_is_on(2, "sib", "sib");
		lend_is_on(3, "", "");
		ck_assert_str_eq(stage->devices[1].control, "auto");
		ck_assert(!lend_journal_exists(LEND_GROUP));
	}
	ck_assert_int_gt(n, 8);
}
END_TEST

/* sysfs does not tell the group of a device that is gone; the entry does. */
START_TEST(finds_the_group_of_a_device_that_is_gone)
{
	const struct pci_address gone = {0, 2, 0, 3}, other = {0, 2, 0, 7};
	struct bind_env env = stage_set();
	const struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	ck_assert_int_eq(bind_lease_group_of(&env, gone), PCI_GROUP_NONE);
	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	stage->count--; /* the last one has that address */
	ck_assert_int_eq(bind_lease_group_of(&env, gone), LEND_GROUP);
	ck_assert_int_eq(bind_lease_group_of(&env, other), PCI_GROUP_NONE);
	ck_assert_msg(release(&env, &e) == 0, "%s", e.msg);
	ck_assert(!lend_journal_exists(LEND_GROUP));
}
END_TEST

SUITE("release", releases_what_others_bound, keeps_the_override_of_another_tool,
	leaves_a_group_that_somebody_holds_unseen, says_that_nothing_was_taken,
	keeps_the_entry_when_its_writer_is_lost, survives_two_crashes_anywhere,
	clears_what_was_never_written, finds_the_group_of_a_device_that_is_gone)
