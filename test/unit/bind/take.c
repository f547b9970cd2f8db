/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/file.h"
#include "bind/journal.h"
#include "bind/lend.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void all_as_first(void)
{
	lend_is_on(0, "pcieport", "");
	lend_is_on(1, "e1000", "");
	lend_is_on(2, "sib", "sib");
	lend_is_on(3, "", "");
	for (size_t i = 0; i < stage->count; i++)
		ck_assert_str_eq(stage->devices[i].control, "on");
	ck_assert(!lend_journal_exists(LEND_GROUP));
}

static void all_taken(void)
{
	lend_is_on(0, "pcieport", "");
	for (size_t i = 1; i < stage->count; i++)
		lend_is_on(i, "vfio-pci", "vfio-pci");
	ck_assert(lend_journal_exists(LEND_GROUP));
}

START_TEST(binds_and_releases)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	all_taken();
	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg); /* again: no change */
	all_taken();
	ck_assert_msg(lend_release(&env, (struct bind_release_request){0}, &e) == 0, "%s", e.msg);
	all_as_first();
}
END_TEST

START_TEST(undoes_when_a_write_fails)
{
	struct err e = {0};
	int k = 1;

	for (;; k++) {
		struct bind_env env = stage_set();
		struct bind_request q = LEND_REQUEST;
		stage->fail_at = k;
		int r = lend_take(&env, &q, &e);
		if (r == 0)
			break;
		ck_assert_int_eq(r, -EIO);
		all_as_first();
	}
	ck_assert_int_eq(k, 9); /* 3 overrides, 2 unbinds, 3 binds: each has failed once */
	struct bind_env env = stage_set();
	ck_assert_int_eq(lend_restore(&env, LEND_GROUP, BIND_MANUAL_RELEASE, &e), 0);
}
END_TEST

START_TEST(verifies_each_write)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	stage->lies = true;
	ck_assert_int_eq(lend_take(&env, &q, &e), -EIO);
	ck_assert_ptr_nonnull(
		strstr(e.msg, "the kernel accepted it, but the device is on no driver"));
	ck_assert_ptr_nonnull(strstr(e.msg, "not all undone"));
	ck_assert(lend_journal_exists(LEND_GROUP));
	stage->lies = false;
	ck_assert_int_eq(lend_restore(&env, LEND_GROUP, BIND_MANUAL_STAYS, &e), 0);
	all_as_first();
	stage->no_node = true;
	ck_assert_int_eq(lend_take(&env, &q, &e), -ETIMEDOUT);
	all_as_first();
}
END_TEST

START_TEST(loads_the_module)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	stage->no_vfio = true;
	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(lend_release(&env, (struct bind_release_request){0}, &e), 0);
	q.driver = "xyz_vfio_pci";
	ck_assert_int_eq(lend_take(&env, &q, &e), -ENOENT);
	all_as_first();
}
END_TEST

static int act_take(const struct bind_env *env, struct err *e)
{
	struct bind_request q = LEND_REQUEST;
	int r = bind_owner_self(env, "web", &q.owner);

	return r < 0 ? r : lend_take(env, &q, e);
}

static int act_release(const struct bind_env *env, struct err *e)
{
	return lend_release(env, (struct bind_release_request){0}, e);
}

static int act_restore(const struct bind_env *env, struct err *e)
{
	return lend_restore(env, LEND_GROUP, BIND_MANUAL_STAYS, e);
}

static struct bind_env stage_env;

static void restores_all(unsigned died_at)
{
	struct err e = {0};

	ck_assert_msg(lend_restore(&stage_env, LEND_GROUP, BIND_MANUAL_STAYS, &e) == 0, "%u: %s",
		died_at, e.msg);
	all_as_first();
}

START_TEST(restores_from_death_in_every_step)
{
	struct err e = {0};
	unsigned n = 0;

	for (bool died = true; died;) {
		stage_env = stage_set();
		died = lend_dies_at(&stage_env, ++n, act_take);
		restores_all(n);
		ck_assert_int_eq(lend_restore(&stage_env, LEND_GROUP, BIND_MANUAL_STAYS, &e), 0);
	}
	ck_assert_uint_eq(n, 11); /* the journal twice and 8 writes */
}
END_TEST

START_TEST(restores_from_death_while_releasing)
{
	unsigned n = 0;

	for (bool died = true; died;) {
		stage_env = stage_set();
		ck_assert(!lend_dies_at(&stage_env, 1000, act_take));
		all_taken();
		died = lend_dies_at(&stage_env, ++n, act_release);
		restores_all(n);
	}
	ck_assert_uint_ge(n, 10);
}
END_TEST

START_TEST(restores_from_death_while_restoring)
{
	unsigned n = 0;

	for (bool died = true; died;) {
		stage_env = stage_set();
		ck_assert(lend_dies_at(&stage_env, 6, act_take));
		died = lend_dies_at(&stage_env, ++n, act_restore);
		restores_all(n);
	}
	ck_assert_uint_ge(n, 5);
}
END_TEST

START_TEST(takes_over_what_a_crash_left)
{
	struct err e = {0};
	unsigned n = 0;

	for (bool died = true; died;) {
		stage_env = stage_set();
		struct bind_request q = LEND_REQUEST;
		died = lend_dies_at(&stage_env, ++n, act_take);
		/* Without a restore in between, the entry must still have the first drivers. */
		ck_assert_msg(lend_take(&stage_env, &q, &e) == 0, "%u: %s", n, e.msg);
		all_taken();
		ck_assert_msg(lend_release(&stage_env, (struct bind_release_request){0}, &e) == 0,
			"%u: %s", n, e.msg);
		all_as_first();
	}
}
END_TEST

START_TEST(leases_to_one_owner)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST, other = LEND_REQUEST;
	struct bind_release_request own = {.how = BIND_RETURN_DRIVER};
	struct bind_plan p;
	struct bind_lease *leases = NULL;
	size_t count = 0;
	struct err e = {0};

	ck_assert_int_eq(bind_owner_self(&env, "web", &q.owner), 0);
	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	ck_assert_int_eq(bind_take(&env, &other, &p, &e), -EPERM);
	ck_assert_uint_eq(p.refusals, 1);
	ck_assert_str_eq(p.problems[0].check, "lease");
	ck_assert_ptr_nonnull(strstr(p.problems[0].text, "lent to VM 'web'"));
	bind_plan_fini(&p);
	ck_assert_int_eq(lend_release(&env, own, &e), -EPERM); /* manually, while the owner lives */
	ck_assert_int_eq(lend_restore(&env, LEND_GROUP, BIND_MANUAL_RELEASE, &e), 1);
	all_taken();
	ck_assert_int_eq(bind_leases(&env, &leases, &count, &e), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(leases[0].state, BIND_LEASE_LIVE);
	ck_assert_int_eq(leases[0].group, 7);
	free(leases);
	own.owner = q.owner;
	own.owner.start++; /* another process with that id */
	ck_assert_int_eq(lend_release(&env, own, &e), -EPERM);
	own.owner = q.owner;
	ck_assert_msg(lend_release(&env, own, &e) == 0, "%s", e.msg);
	all_as_first();
	ck_assert_int_eq(lend_release(&env, own, &e), -ENOENT);
}
END_TEST

START_TEST(returns_to_bound_manually)
{
	struct bind_env env = stage_set();
	struct bind_request hand = LEND_REQUEST, q = LEND_REQUEST;
	struct bind_release_request own = {.how = BIND_RETURN_DRIVER};
	struct err e = {0};

	ck_assert_int_eq(lend_take(&env, &hand, &e), 0);
	ck_assert_int_eq(lend_restore(&env, LEND_GROUP, BIND_MANUAL_STAYS, &e), 1);
	ck_assert_int_eq(bind_owner_self(&env, "web", &q.owner), 0);
	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	own.owner = q.owner;
	ck_assert_int_eq(lend_release(&env, own, &e), 0);
	all_taken(); /* a manual bind outlives the guest */
	stage_env = env;
	ck_assert(!lend_dies_at(&stage_env, 1000, act_take)); /* the owner dies */
	ck_assert_int_eq(lend_restore(&env, LEND_GROUP, BIND_MANUAL_STAYS, &e), 0);
	all_taken();
	ck_assert_int_eq(lend_restore(&env, LEND_GROUP, BIND_MANUAL_RELEASE, &e), 0);
	all_as_first();
}
END_TEST

START_TEST(keeps_what_cannot_be_reset)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct bind_release_request g = {.how = BIND_RETURN_DRIVER};
	static const char *const allow[] = {"no-reset"};
	struct err e = {0};

	/* VFIO cannot reset the bus, because a bridge is on it. */
	stage->devices[1].d.reset_method[0] = '\0';
	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	ck_assert_int_eq(lend_release(&env, g, &e), -EPERM);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	lend_is_on(2, "sib", "sib");
	ck_assert(lend_journal_exists(LEND_GROUP));
	ck_assert_int_eq(lend_release(&env, g, &e), -EPERM); /* a second try changes nothing */
	g.allow = allow;
	g.allow_count = 1;
	ck_assert_msg(lend_release(&env, g, &e) == 0, "%s", e.msg);
	all_as_first();
	/* A device that no program had needs no reset. */
	stage->fail_at = stage->writes + 5;
	ck_assert_int_eq(lend_take(&env, &q, &e), -EIO);
	all_as_first();
	stage_env = env;
	ck_assert(lend_dies_at(&stage_env, 9, act_take));
	lend_is_on(1, "vfio-pci", "vfio-pci");
	ck_assert_msg(lend_restore(&env, LEND_GROUP, BIND_MANUAL_STAYS, &e) == 0, "%s", e.msg);
	all_as_first();
}
END_TEST

/* Its owner reported that its reset fails. */
START_TEST(keeps_what_was_not_reset)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct bind_release_request told = {.unwiped = &lend_target.address, .unwiped_count = 1};
	static const char *const allow[] = {"no-reset"};
	struct bind_release_request allowed = {.allow = allow, .allow_count = 1};
	struct err e = {0};

	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	ck_assert_int_eq(lend_release(&env, told, &e), -EPERM);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	lend_is_on(2, "sib", "sib");
	/* A later owner finds that in the journal. */
	ck_assert_int_eq(lend_release(&env, (struct bind_release_request){0}, &e), -EPERM);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	/* A later owner may find that the reset works. */
	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	ck_assert_msg(lend_release(&env, (struct bind_release_request){0}, &e) == 0, "%s", e.msg);
	all_as_first();
	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	ck_assert_int_eq(lend_release(&env, told, &e), -EPERM);
	ck_assert_msg(lend_release(&env, allowed, &e) == 0, "%s", e.msg);
	all_as_first();
}
END_TEST

/* One member was removed and found again, so it is on its driver. Another one cannot be reset. */
START_TEST(keeps_an_entry_of_what_is_still_lent)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct bind_entry n = BIND_ENTRY_NONE;
	struct err e = {0};

	stage->devices[1].d.reset_method[0] = '\0';
	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	(void)snprintf(stage->devices[2].d.driver, PCI_NAME_MAX, "sib");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(lend_release(&env, (struct bind_release_request){0}, &e), -EPERM);
		ck_assert_int_eq(bind_journal_read(&env, LEND_GROUP, &n, &e), 0);
		ck_assert_uint_eq(n.count, 1);
		ck_assert(pci_address_equal(n.members[0].address, lend_target.address));
		bind_entry_fini(&n);
		if (i == 0)
			ck_assert_ptr_nonnull(strstr(e.msg, "the others are no longer lent"));
	}
	lend_is_on(1, "vfio-pci", "vfio-pci");
	lend_is_on(2, "sib", "sib");
	/* A new take treats that member as a new one. */
	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	all_taken();
	stage->devices[1].d.reset_method[0] = 'x';
	ck_assert_msg(lend_release(&env, (struct bind_release_request){0}, &e) == 0, "%s", e.msg);
	all_as_first();
}
END_TEST

/* No write to the journal succeeds: the file system is full, read-only, or at a limit as here. */
START_TEST(releases_without_room_for_the_journal)
{
	const struct rlimit none = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY};
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct rlimit before;
	struct err e = {0};

	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	ck_assert_msg(lend_release(&env, (struct bind_release_request){0}, &e) == 0, "%s", e.msg);
	all_as_first();
	/* usher takes nothing without an entry. */
	ck_assert_int_eq(lend_take(&env, &q, &e), -EFBIG);
	all_as_first();
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
}
END_TEST

START_TEST(returns_as_requested)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct bind_release_request g = {.how = BIND_RETURN_VFIO};
	struct err e = {0};

	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	ck_assert_int_eq(lend_release(&env, g, &e), 0);
	all_taken();
	g.dry_run = true;
	g.how = BIND_RETURN_DRIVER;
	ck_assert_int_eq(lend_release(&env, g, &e), 0);
	all_taken();
	g.dry_run = false;
	g.how = BIND_RETURN_NONE;
	ck_assert_int_eq(lend_release(&env, g, &e), 0);
	lend_is_on(1, "", "");
	lend_is_on(2, "", "sib");
	ck_assert(!lend_journal_exists(LEND_GROUP));
}
END_TEST

START_TEST(waits_for_nobody_who_has_it_open)
{
	static const char *const allow[] = {"vfio"};
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct bind_release_request g = {.how = BIND_RETURN_DRIVER};
	struct err e = {0};

	stage->held = true; /* in use without a lease */
	ck_assert_int_eq(lend_take(&env, &q, &e), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.msg, "qemu (pid 4711"));
	stage->held = false;
	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	stage->held = true;
	ck_assert_int_eq(lend_release(&env, g, &e), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.msg, "qemu (pid 4711"));
	ck_assert_int_eq(lend_restore(&env, LEND_GROUP, BIND_MANUAL_RELEASE, &e), -EPERM);
	all_taken();
	g.allow = allow;
	g.allow_count = 1;
	ck_assert_int_eq(lend_release(&env, g, &e), 0);
	all_as_first();
}
END_TEST

START_TEST(frees_what_others_bound)
{
	struct bind_env env = stage_set();
	struct bind_release_request g = {.how = BIND_RETURN_DRIVER};
	struct err e = {0};

	(void)snprintf(stage->devices[1].d.driver, PCI_NAME_MAX, "vfio-pci");
	(void)snprintf(stage->devices[1].d.driver_override, PCI_NAME_MAX, "vfio-pci");
	ck_assert_msg(lend_release(&env, g, &e) == 0, "%s", e.msg);
	lend_is_on(1, "e1000", "");
	lend_is_on(2, "sib", "sib");
	ck_assert(!lend_journal_exists(LEND_GROUP));
}
END_TEST

START_TEST(forgets_other_boots_and_rubbish)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct bind_lease *leases = NULL;
	char path[FILE_PATH_MAX];
	size_t count = 0;
	struct err e = {0};

	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	stage->boot[0] = '9';
	ck_assert_int_eq(bind_leases(&env, &leases, &count, &e), 0);
	ck_assert_int_eq(leases[0].state, BIND_LEASE_VOID);
	free(leases);
	int before = stage->writes;
	ck_assert_int_eq(lend_restore(&env, LEND_GROUP, BIND_MANUAL_STAYS, &e), 0);
	ck_assert_int_eq(stage->writes, before);
	ck_assert(!lend_journal_exists(LEND_GROUP));
	ck_assert_int_eq(file_path(path, sizeof(path), "%s/journal/7", stage_state), 0);
	ck_assert_int_eq(file_replace(path, "rubbish\n", 8, 0644), 0);
	ck_assert_int_eq(lend_take(&env, &q, &e), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.msg, "expected 'usher-journal'"));
	ck_assert_int_eq(bind_leases(&env, &leases, &count, &e), 0);
	ck_assert_int_eq(leases[0].state, BIND_LEASE_CORRUPT);
	free(leases);
	ck_assert_int_eq(lend_restore(&env, LEND_GROUP, BIND_MANUAL_STAYS, &e), 0);
	ck_assert(!lend_journal_exists(LEND_GROUP));
}
END_TEST

START_TEST(leaves_a_hanging_device_alone)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	stage->hang_at = 5; /* the unbind of the second device */
	ck_assert_int_eq(lend_take(&env, &q, &e), -ETIMEDOUT);
	lend_is_on(1, "e1000", ""); /* the first one has returned meanwhile */
	lend_is_on(2, "sib", "vfio-pci");
	ck_assert(lend_journal_exists(LEND_GROUP));
	ck_assert_int_eq(lend_restore(&env, LEND_GROUP, BIND_MANUAL_STAYS, &e), 0);
	all_as_first();
}
END_TEST

START_TEST(touches_no_stranger)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	stage->devices[1].d.device = 0x4242; /* another card in that slot */
	(void)snprintf(stage->devices[2].d.driver, PCI_NAME_MAX, "third");
	ck_assert_int_eq(lend_release(&env, (struct bind_release_request){0}, &e), 0);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	lend_is_on(2, "third", "vfio-pci");
	lend_is_on(3, "", "");
	ck_assert(!lend_journal_exists(LEND_GROUP));
}
END_TEST

START_TEST(works_once_at_a_time)
{
	static const char text[] = "group 7: another usher (process ";
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	char path[FILE_PATH_MAX], c;
	int locked[2];
	struct err e = {0};

	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	ck_assert_int_eq(file_path(path, sizeof(path), "%s/lock/7", stage_state), 0);
	ck_assert_int_eq(pipe(locked), 0);
	pid_t child = fork();
	if (child == 0) {
		int fd = open(path, O_RDWR);
		if (flock(fd, LOCK_EX) == 0 && write(locked[1], "x", 1) == 1)
			(void)pause();
		_exit(1);
	}
	ck_assert_int_eq((int)read(locked[0], &c, 1), 1);
	ck_assert_int_eq(lend_take(&env, &q, &e), -EBUSY);
	ck_assert_msg(strncmp(e.msg, text, strlen(text)) == 0, "%s", e.msg);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
}
END_TEST

/* The fourth device: kept from its driver by a claim's udev rule, or before the rule applies. */
static struct bind_env claimed(const char *override, struct bind_request *ret)
{
	static const struct bind_target free_one = {.address = {0, 2, 0, 3}};
	struct bind_env env = stage_set();

	(void)snprintf(stage->devices[3].d.driver_override, PCI_NAME_MAX, "%s", override);
	*ret = LEND_REQUEST;
	ret->targets = &free_one;
	ret->claimed = "vfio-pci";
	return env;
}

START_TEST(gives_a_claimed_one_to_its_driver)
{
	static const char *const overrides[] = {"vfio-pci", ""};
	struct bind_request q;
	struct err e = {0};

	for (size_t i = 0; i < 2; i++) {
		struct bind_env env = claimed(overrides[i], &q);
		ck_assert_int_eq(lend_take(&env, &q, &e), 0);
		all_taken();
		ck_assert_int_eq(lend_take(&env, &q, &e), 0); /* the entry keeps it */
		ck_assert_int_eq(lend_release(&env, (struct bind_release_request){0}, &e), 0);
		lend_is_on(1, "e1000", "");
		lend_is_on(2, "sib", "sib");
		lend_is_on(3, "e1000", "");
		ck_assert(!lend_journal_exists(LEND_GROUP));
	}
}
END_TEST

START_TEST(keeps_drivers_off_a_claimed_one)
{
	struct bind_request q;
	struct err e = {0};
	int n = 1;

	for (;; n++) {
		struct bind_env env = claimed("vfio-pci", &q);
		stage->fail_at = n;
		if (lend_take(&env, &q, &e) == 0)
			break;
		lend_is_on(1, "e1000", "");
		lend_is_on(2, "sib", "sib");
		lend_is_on(3, "", "vfio-pci");
		ck_assert(!lend_journal_exists(LEND_GROUP));
	}
	ck_assert_int_gt(n, 4);
}
END_TEST

START_TEST(leaves_a_foreign_override_of_a_claimed_one)
{
	struct bind_request q;
	struct err e = {0};

	struct bind_env env = claimed("third", &q);
	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	ck_assert_int_eq(lend_release(&env, (struct bind_release_request){0}, &e), 0);
	lend_is_on(3, "", "third");
}
END_TEST

SUITE("take", gives_a_claimed_one_to_its_driver, keeps_drivers_off_a_claimed_one,
	leaves_a_foreign_override_of_a_claimed_one, binds_and_releases, undoes_when_a_write_fails,
	verifies_each_write, loads_the_module, restores_from_death_in_every_step,
	restores_from_death_while_releasing, restores_from_death_while_restoring,
	takes_over_what_a_crash_left, leases_to_one_owner, returns_to_bound_manually,
	keeps_what_cannot_be_reset, keeps_what_was_not_reset, keeps_an_entry_of_what_is_still_lent,
	releases_without_room_for_the_journal, returns_as_requested,
	waits_for_nobody_who_has_it_open, frees_what_others_bound, forgets_other_boots_and_rubbish,
	leaves_a_hanging_device_alone, touches_no_stranger, works_once_at_a_time)
