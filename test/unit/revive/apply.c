/* SPDX-License-Identifier: MIT */
#include "revive/apply.h"

#include "base/err.h"
#include "base/file.h"
#include "revive/bench.h"
#include "revive/entry.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct revive_request request = {.function.address = {0, 1, 0, 0}};

static int card_revive(const struct bind_env *env, struct revive_report *t, struct err *e)
{
	struct revive_plan p;

	int r = revive_device(env, &request, NULL, &p, t, e);
	revive_plan_fini(&p);
	return r;
}

static bool entry_is_there(const struct bind_env *env)
{
	struct revive_entry n;

	return revive_entry_read(env, request.function.address, &n, NULL) != -ENOENT;
}

/* All that a revival changes is as it was; a card that was found again starts awake. */
static void as_before(const struct bind_env *env)
{
	ck_assert(!entry_is_there(env));
	ck_assert_str_eq(bench->port_control, "auto");
	ck_assert_str_eq(bench->port_cold, "1");
	ck_assert(bench->slot_on);
	if (!bench->there)
		return;
	ck_assert_str_eq(bench->override, "vfio-pci");
	ck_assert_str_eq(bench->driver, "vfio-pci");
	ck_assert_str_eq(bench->control, "auto");
	ck_assert_str_eq(bench->cold, "1");
	ck_assert_str_eq(bench->method, "flr bus");
}

START_TEST(each_step_may_be_the_cure)
{
	static const enum revive_kind cures[] = {
		REVIVE_RESET, REVIVE_REMOVE, REVIVE_SLOT, REVIVE_RETRAIN};

	for (size_t i = 0; i < sizeof(cures) / sizeof(*cures); i++) {
		struct bind_env env = bench_set(cures[i]);
		struct revive_report t;
		struct err e = {0};
		ck_assert_msg(card_revive(&env, &t, &e) == 0, "%u: %s", cures[i], e.msg);
		ck_assert_int_eq(t.state, REVIVE_ANSWERS);
		ck_assert(!t.by_wake && !t.late.code);
		/* The kernel put the registers of the dead card back after the reset. */
		enum revive_kind last = cures[i] == REVIVE_RESET ? REVIVE_REMOVE : cures[i];
		ck_assert_int_eq(t.outcomes[t.count - 1].kind, last);
		ck_assert(bench->there);
		as_before(&env);
	}
}
END_TEST

START_TEST(the_settings_that_woke_it_stay)
{
	struct bind_env env = bench_set(REVIVE_WAKE);
	struct revive_report t;
	struct err e = {0};

	ck_assert_msg(card_revive(&env, &t, &e) == 0, "%s", e.msg);
	ck_assert(t.by_wake);
	ck_assert_uint_eq(t.count, 1);
	ck_assert_str_eq(bench->control, "on");
	ck_assert_str_eq(bench->cold, "0");
	ck_assert_str_eq(bench->driver, "vfio-pci");
	ck_assert(!entry_is_there(&env));
}
END_TEST

START_TEST(a_card_that_nothing_heals_leaves_all_as_it_was)
{
	struct bind_env env = bench_set(REVIVE_KINDS);
	struct revive_report t;
	struct err e = {0};

	ck_assert_int_eq(card_revive(&env, &t, &e), 1);
	ck_assert_int_eq(t.state, REVIVE_GONE);
	ck_assert_uint_eq(t.count, 5);
	ck_assert(!t.late.code);
	ck_assert_uint_eq(bench->link_control, 0x10);
	as_before(&env);

	/* And one whose slot was off. */
	env = bench_set(REVIVE_KINDS);
	bench->slot_on = false;
	bench->there = false;
	ck_assert_int_eq(card_revive(&env, &t, &e), 1);
	ck_assert(!bench->slot_on && !entry_is_there(&env));
	bench->cure = REVIVE_SLOT;
	ck_assert_int_eq(card_revive(&env, &t, &e), 0);
	ck_assert(bench->slot_on && bench->there);
}
END_TEST

START_TEST(a_write_that_fails_ends_only_its_step)
{
	for (int k = 1; k < 12; k++) {
		struct bind_env env = bench_set(REVIVE_RETRAIN);
		struct revive_report t;
		struct err e = {0};
		bench->fail_at = k;
		int r = card_revive(&env, &t, &e);
		ck_assert_msg(r == 0 || r == 1, "write %d: %d: %s", k, r, e.msg);
		ck_assert(!entry_is_there(&env));
	}
}
END_TEST

struct talk {
	char text[512];
};

static void talk_begin(void *arg, enum revive_kind k)
{
	struct talk *t = arg;
	size_t n = strlen(t->text);

	(void)snprintf(t->text + n, sizeof(t->text) - n, "[%s", revive_kind_name(k));
}

static void talk_hear(void *arg, const struct revive_outcome *o)
{
	struct talk *t = arg;
	size_t n = strlen(t->text);

	(void)snprintf(t->text + n, sizeof(t->text) - n, " %s]", o->text);
}

/* The kernel waits 61 s for the slot of a device, and 61 s for its bus. */
START_TEST(a_reset_may_take_two_waits_of_the_kernel)
{
	struct talk t = {""};
	const struct revive_listener listener = {.begin = talk_begin, .hear = talk_hear, .arg = &t};
	struct bind_env env = bench_set(REVIVE_REMOVE);
	struct revive_report done;
	struct revive_plan p;
	struct err e = {0};

	bench->reset_ms = 125000;
	ck_assert_msg(revive_device(&env, &request, &listener, &p, &done, &e) == 0, "%s", e.msg);
	revive_plan_fini(&p);
	ck_assert_str_eq(t.text, "[wake ][reset ][remove ]");
	as_before(&env);

	/* One that never ends is told, and its entry stays for `usher restore`. */
	env = bench_set(REVIVE_REMOVE);
	bench->reset_ms = 1000000;
	t = (struct talk){""};
	ck_assert_int_eq(revive_device(&env, &request, &listener, &p, &done, &e), -ETIMEDOUT);
	revive_plan_fini(&p);
	ck_assert_str_eq(t.text, "[wake ][reset the kernel did not come back]");
	ck_assert(entry_is_there(&env));
}
END_TEST

/* Dies right after change @n. Return: whether it did. */
static bool revive_dies_at(const struct bind_env *env, unsigned n)
{
	char text[12];
	int status;

	(void)snprintf(text, sizeof(text), "%u", n);
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		struct revive_report t;
		ck_assert_int_eq(setenv("USHER_BIND_DIE", text, 1), 0);
		(void)card_revive(env, &t, NULL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status);
}

/* A revival dies after each change, and is completed. Return: how many changes it has. */
static unsigned deaths_of(enum revive_kind cure, bool again)
{
	for (unsigned n = 1;; n++) {
		struct bind_env env = bench_set(cure);
		struct revive_report t;
		struct err e = {0};
		/* The last change removes the entry. */
		if (!revive_dies_at(&env, n) || !entry_is_there(&env))
			return n - 1;
		bench->heals = true; /* the power came back */
		int r = again ? card_revive(&env, &t, &e)
			      : revive_restore(&env, request.function.address, &e);
		ck_assert_msg(r == 0, "death %u: %s", n, e.msg);
		ck_assert_msg(bench->there, "death %u", n);
		as_before(&env);
	}
}

START_TEST(restore_completes_what_a_death_broke_off)
{
	ck_assert_uint_ge(deaths_of(REVIVE_KINDS, false), 14);
	ck_assert_uint_ge(deaths_of(REVIVE_SLOT, false), 10);
	ck_assert_uint_ge(deaths_of(REVIVE_RESET, false), 10);
}
END_TEST

/* Of a driver of the host, without an override: it is bound again. */
START_TEST(restore_binds_the_driver_again)
{
	for (unsigned n = 1;; n++) {
		struct bind_env env = bench_set(REVIVE_KINDS);
		struct err e = {0};
		(void)strcpy(bench->driver, "native");
		(void)strcpy(bench->override, "");
		if (!revive_dies_at(&env, n) || !entry_is_there(&env))
			break;
		bench->heals = true;
		ck_assert_int_eq(revive_restore(&env, request.function.address, &e), 0);
		ck_assert_msg(strcmp(bench->driver, "native") == 0, "death %u", n);
		ck_assert_str_eq(bench->override, "");
	}
}
END_TEST

/* The power of a slot came back while nobody looked: restoring must not take it away again. */
START_TEST(restore_leaves_a_slot_on)
{
	struct bind_env env = bench_set(REVIVE_KINDS);
	struct err e = {0};

	bench->slot_on = false;
	ck_assert(revive_dies_at(&env, 1));
	bench->slot_on = bench->heals = true;
	ck_assert_int_eq(revive_restore(&env, request.function.address, &e), 0);
	ck_assert(bench->slot_on && bench->there);
}
END_TEST

START_TEST(the_next_revival_completes_it_as_well)
{
	ck_assert_uint_ge(deaths_of(REVIVE_KINDS, true), 14);
}
END_TEST

START_TEST(an_entry_that_usher_did_not_write_is_removed)
{
	struct bind_env env = bench_set(REVIVE_KINDS);
	char path[FILE_PATH_MAX];
	struct err e = {0};

	ck_assert(revive_dies_at(&env, 1));
	ck_assert_int_eq(revive_entry_path(&env, request.function.address, path, sizeof(path)), 0);
	struct stat st;
	ck_assert_int_eq(stat(path, &st), 0);
	struct revive_entry n;
	for (off_t len = st.st_size - 1; len >= 0; len--) {
		ck_assert_int_eq(truncate(path, len), 0);
		ck_assert_int_eq(
			revive_entry_read(&env, request.function.address, &n, NULL), -EBADMSG);
	}
	ck_assert_int_eq(revive_restore(&env, request.function.address, &e), 0);
	ck_assert(!entry_is_there(&env));
}
END_TEST

/* A read may fail today and succeed tomorrow. */
START_TEST(an_entry_that_cannot_be_read_stays)
{
	struct bind_env env = bench_set(REVIVE_KINDS);
	char path[FILE_PATH_MAX];
	struct err e = {0};
	struct stat st;

	ck_assert(revive_dies_at(&env, 1));
	ck_assert_int_eq(revive_entry_path(&env, request.function.address, path, sizeof(path)), 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink(path, path), 0);
	ck_assert_int_eq(revive_restore(&env, request.function.address, &e), -ELOOP);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

SUITE("revive apply", each_step_may_be_the_cure, the_settings_that_woke_it_stay,
	a_card_that_nothing_heals_leaves_all_as_it_was, a_write_that_fails_ends_only_its_step,
	a_reset_may_take_two_waits_of_the_kernel, restore_completes_what_a_death_broke_off,
	restore_binds_the_driver_again, restore_leaves_a_slot_on,
	the_next_revival_completes_it_as_well, an_entry_that_usher_did_not_write_is_removed,
	an_entry_that_cannot_be_read_stays)
