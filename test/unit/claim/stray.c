/* SPDX-License-Identifier: MIT */
#include "claim/stray.h"

#include "base/err.h"
#include "bind/lend.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A device that the rule kept from its driver: on @driver, or on none. */
static struct bind_env set(const char *driver, const char *override)
{
	struct bind_env env = stage_set();

	(void)snprintf(stage->devices[1].d.driver, PCI_NAME_MAX, "%s", driver);
	(void)snprintf(stage->devices[1].d.driver_override, PCI_NAME_MAX, "%s", override);
	return env;
}

static int give(const struct bind_env *env, struct err *e)
{
	const struct pci_device stray = stage->devices[1].d;
	struct bind_report report;

	int r = claim_stray_return(env, &stray, "vfio-pci", &report, e);
	if (r == 1) {
		ck_assert_uint_eq(report.returned_count, 1);
		ck_assert_str_eq(report.returned[0].to, "e1000");
	}
	bind_report_fini(&report);
	return r;
}

static void is_home(void)
{
	lend_is_on(1, "e1000", "");
	lend_is_on(2, "sib", "sib");
	lend_is_on(3, "", "");
	ck_assert(!lend_journal_exists(LEND_GROUP));
}

START_TEST(goes_to_its_driver)
{
	struct bind_env env = set("", "vfio-pci");
	struct err e = {0};

	ck_assert_msg(give(&env, &e) == 1, "%s", e.msg);
	is_home();
	ck_assert_int_eq(give(&env, &e), 0);
	env = set("vfio-pci", "vfio-pci");
	ck_assert_msg(give(&env, &e) == 1, "%s", e.msg);
	is_home();
	/* Without an IOMMU there is no group, and so no journal. */
	env = set("", "vfio-pci");
	stage->devices[1].d.group = -1;
	ck_assert_msg(give(&env, &e) == 1, "%s", e.msg);
	is_home();
}
END_TEST

START_TEST(leaves_what_is_not_the_rules)
{
	struct bind_env env = set("e1000", "");
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	ck_assert_int_eq(give(&env, &e), 0);
	env = set("", "other");
	ck_assert_int_eq(give(&env, &e), 0);
	env = set("e1000", "vfio-pci");
	ck_assert_int_eq(give(&env, &e), 0);
	ck_assert_int_eq(stage->writes, 0);
	env = set("vfio-pci", "vfio-pci");
	stage->held = true;
	ck_assert_int_eq(give(&env, &e), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.msg, "0000:02:00.1: in use"));
	ck_assert_int_eq(stage->writes, 0);
	env = set("e1000", "");
	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(give(&env, &e), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.msg, "its group 7 is bound by usher"));
	lend_is_on(1, "vfio-pci", "vfio-pci");
	ck_assert_msg(lend_release(&env, (struct bind_release_request){0}, &e) == 0, "%s", e.msg);
}
END_TEST

static int gives(const struct bind_env *env, struct err *e)
{
	return give(env, e) == 1 ? 0 : -1;
}

START_TEST(survives_a_crash_anywhere)
{
	unsigned n = 1;
	bool died = true;
	struct err e = {0};

	for (; died; n++) {
		struct bind_env env = set("vfio-pci", "vfio-pci");
		died = lend_dies_at(&env, n, gives);
		ck_assert_msg(
			lend_restore(&env, LEND_GROUP, BIND_MANUAL_STAYS, &e) == 0, "%s", e.msg);
		is_home();
	}
	ck_assert_uint_eq(n - 2, 6); /* entry, override, unbind, probe, end of rule and entry */
}
END_TEST

/* usher waits for both together no longer than for one write. */
START_TEST(ends_when_the_kernel_hangs)
{
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	for (int k = 1; k <= 3; k++) {
		struct bind_env env = set("vfio-pci", "vfio-pci");
		stage->hang_at = k;
		ck_assert_int_eq(give(&env, &e), -ETIMEDOUT);
		ck_assert(lend_journal_exists(LEND_GROUP));
		stage->hang_at = 0;
		ck_assert_msg(
			lend_restore(&env, LEND_GROUP, BIND_MANUAL_STAYS, &e) == 0, "%s", e.msg);
		is_home();
	}
	/* The same as `usher apply` does with a claimed device. */
	struct bind_env env = set("", "vfio-pci");
	q.claimed = "vfio-pci";
	stage->hang_at = 1;
	ck_assert_int_eq(lend_take(&env, &q, &e), -ETIMEDOUT);
}
END_TEST

SUITE("stray", goes_to_its_driver, leaves_what_is_not_the_rules, survives_a_crash_anywhere,
	ends_when_the_kernel_hangs)
