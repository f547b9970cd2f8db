/* SPDX-License-Identifier: MIT */
/* The job that changes devices of a guest, with a model of the kernel and a stand-in for QEMU. */
#include "base/fd.h"
#include "bind/lend.h"
#include "bind/owner.h"
#include "engine/plug/giveback.h"
#include "engine/plug/plug_job.h"
#include "engine/wipe.h"
#include "suite.h"
#include "wire/order.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What QEMU has and does, shared with the process that plays it. */
static struct qemu {
	unsigned has; /* bit N: function N of the only card */
	bool refuses; /* to add a card */
	bool full; /* no slot is free */
	bool holds; /* the guest lets nothing go */
	unsigned asked; /* how often it was asked to */
} * qemu;

static struct plug_place place;
static struct plug_result result;
static pid_t player;

static void card_add(const struct wire_order *o, struct wire_done *d)
{
	if (qemu->refuses)
		d->length = (uint32_t)snprintf(d->text, sizeof(d->text), "vfio: no\033way");
	d->result = qemu->refuses ? -EREMOTEIO : qemu->full ? -ENOSPC : 0;
	for (size_t i = 0; d->result == 0 && i < o->function_count; i++)
		qemu->has |= 1U << o->functions[i].fn;
}

static void player_main(int fd)
{
	static struct wire_done d;
	struct wire_order o;

	while (wire_receive(fd, &o, sizeof(o), NULL) == 0) {
		d = (struct wire_done){.header = {.kind = WIRE_DONE, .id = o.header.id}};
		ck_assert_int_eq(wire_order_check(&o, 0), 0);
		if (o.order == WIRE_ORDER_PLUG)
			card_add(&o, &d);
		qemu->asked += o.order == WIRE_ORDER_UNPLUG;
		/* The functions of a slot leave together. */
		if (o.order == WIRE_ORDER_UNPLUG && !qemu->holds)
			qemu->has = 0;
		for (unsigned i = 0; o.order == WIRE_ORDER_LENT && i < 8; i++)
			if (qemu->has & 1U << i)
				d.length += (uint32_t)sprintf(
					d.text + d.length, "0000:02:00.%u usher-spare0\n", i);
		(void)wire_send(fd, &d, sizeof(d), NULL);
	}
	_exit(0);
}

/* A guest without devices; group 7 has a bridge and functions 1, 2 and 3 of one card. */
static void guest_start(void)
{
	int ends[2];

	qemu = mmap(NULL, sizeof(*qemu), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*qemu = (struct qemu){0};
	ck_assert_int_eq(wire_pair(ends), 0);
	place = (struct plug_place){.env = stage_set(), .name = "box", .line_fd = ends[0]};
	ck_assert_int_eq(bind_owner_self(&place.env, "box", &place.owner), 0);
	player = fork();
	if (player == 0) {
		(void)close(ends[0]);
		player_main(ends[1]);
	}
	(void)close(ends[1]);
}

static void guest_end(void)
{
	(void)close(place.line_fd);
	ck_assert_int_eq(kill(player, SIGKILL), 0);
	ck_assert_int_eq(waitpid(player, NULL, 0), player);
}

static int change(bool away)
{
	const struct plug_wish w = {
		.away = away, .count = 1, .devices = {lend_target.address}, .timeout_ms = 300};

	plug_job_run(&place, -1, &w, &result);
	return result.why.code;
}

static void all_as_first(void)
{
	lend_is_on(0, "pcieport", "");
	lend_is_on(1, "e1000", "");
	lend_is_on(2, "sib", "sib");
	lend_is_on(3, "", "");
	ck_assert(!lend_journal_exists(LEND_GROUP));
}

static void expect_why(const char *part)
{
	ck_assert_msg(strstr(result.why.msg, part) != NULL, "'%s'", result.why.msg);
	ck_assert_uint_eq(result.count, 0);
}

START_TEST(a_group_comes_and_leaves_as_a_whole)
{
	guest_start();
	ck_assert_msg(change(false) == 0, "%s", result.why.msg);
	ck_assert_uint_eq(result.count, 3); /* all but the bridge */
	ck_assert_uint_eq(qemu->has, 0xe);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	lend_is_on(3, "vfio-pci", "vfio-pci");
	ck_assert_int_eq(change(false), -EEXIST);
	ck_assert_msg(change(true) == 0, "%s", result.why.msg);
	ck_assert_uint_eq(result.count, 3);
	ck_assert_uint_eq(qemu->asked, 1); /* they are in one slot */
	all_as_first();
	ck_assert_int_eq(change(true), -ENODEV);
	expect_why("guest 'box' has not");
	guest_end();
}
END_TEST

START_TEST(what_qemu_refuses_returns)
{
	guest_start();
	qemu->refuses = true;
	ck_assert_int_eq(change(false), -EREMOTEIO);
	expect_why("QEMU refuses: vfio: no way"); /* without its escapes */
	all_as_first();
	qemu->refuses = false;
	qemu->full = true;
	ck_assert_int_eq(change(false), -ENOSPC);
	expect_why("guest 'box' has no slot free");
	all_as_first();
	guest_end();
}
END_TEST

START_TEST(a_guest_that_holds_keeps_it)
{
	guest_start();
	ck_assert_int_eq(change(false), 0);
	qemu->holds = true;
	ck_assert_int_eq(change(true), -ETIMEDOUT);
	expect_why("guest 'box' still has them");
	ck_assert(lend_journal_exists(LEND_GROUP));
	/* It has let go meanwhile. */
	qemu->has = 0;
	ck_assert_msg(change(true) == 0, "%s", result.why.msg);
	all_as_first();
	guest_end();
}
END_TEST

START_TEST(another_ones_group_is_refused)
{
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	guest_start();
	q.owner = (struct bind_owner){.pid = getppid(), .name = "other"};
	ck_assert_int_eq(bind_owner_start(place.env.host, q.owner.pid, &q.owner.start), 0);
	ck_assert_msg(lend_take(&place.env, &q, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(change(false), -EPERM);
	expect_why("other");
	ck_assert_uint_eq(qemu->has, 0);
	ck_assert_int_eq(change(true), -ENODEV);
	ck_assert(lend_journal_exists(LEND_GROUP));
	guest_end();
}
END_TEST

static void nobody_hears(void *arg, struct keeper_news n)
{
}

static int attach_dying(const struct bind_env *env, struct err *e)
{
	place.env = *env;
	return change(false);
}

static int detach_dying(const struct bind_env *env, struct err *e)
{
	place.env = *env;
	return change(true);
}

/* Wherever the job dies, the keeper returns everything at the guest's end. */
static void dies_everywhere(bool away)
{
	const struct giveback_listener nobody = {nobody_hears, NULL};
	const struct wipe wipe = {.count = 0};
	const struct bind_plan none = BIND_PLAN_NONE;
	bool died = true;
	unsigned n = 1;

	for (; died; n++) {
		guest_start();
		if (away)
			ck_assert_int_eq(change(false), 0);
		died = lend_dies_at(&place.env, n, away ? detach_dying : attach_dying);
		guest_end();
		const struct keeper k = {.env = place.env};
		ck_assert_int_eq(giveback_groups(&k, &none, &place.owner, &wipe, &nobody), 0);
		all_as_first();
	}
	ck_assert_uint_gt(n, 8);
}

START_TEST(a_killed_attach_loses_nothing)
{
	dies_everywhere(false);
}
END_TEST

START_TEST(a_killed_detach_loses_nothing)
{
	dies_everywhere(true);
}
END_TEST

SUITE("engine_plug", a_group_comes_and_leaves_as_a_whole, what_qemu_refuses_returns,
	a_guest_that_holds_keeps_it, another_ones_group_is_refused, a_killed_attach_loses_nothing,
	a_killed_detach_loses_nothing)
