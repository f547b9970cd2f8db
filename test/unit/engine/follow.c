/* SPDX-License-Identifier: MIT */
/* News from the keeper to a client over a socket: the client receives each kind complete. */
#include "engine/follow.h"

#include "base/err.h"
#include "engine/clients.h"
#include "engine/news.h"
#include "suite.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char heard[4096];
static int lost;

__attribute__((format(printf, 1, 2))) static void note_line(const char *fmt, ...)
{
	size_t len = strlen(heard);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(heard + len, sizeof(heard) - len, fmt, ap);
	va_end(ap);
}

static void hear_plan(const struct bind_plan *p)
{
	for (size_t i = 0; i < p->group_count; i++)
		for (size_t m = 0; m < p->groups[i].count; m++) {
			const struct bind_member *b = &p->groups[i].members[m];
			note_line("group %d: %02x %s to %s%s\n", p->groups[i].number,
				b->device.address.bus, b->device.driver, b->driver,
				b->device.is_bridge ? ", bridge" : "");
		}
	for (size_t i = 0; i < p->problem_count; i++)
		note_line("[%s] %s: %s; %s %d%d\n", p->problems[i].check, p->problems[i].object,
			p->problems[i].text, p->problems[i].fix, p->problems[i].refuses,
			p->problems[i].liftable);
	note_line("refusals %zu\n", p->refusals);
}

static void hear_news(void *arg, const struct keeper_news *n)
{
	if (n->event == KEEPER_PLANNED)
		hear_plan(n->plan);
	if (n->event == KEEPER_STARTED)
		note_line("started %d in %" PRId64 "\n", (int)n->pid, (int64_t)n->us);
	if (n->event == KEEPER_ENDED)
		note_line("ended %d\n", n->status);
	if (n->event == KEEPER_WIPED)
		note_line("wiped %02x %d %s\n", n->wiped->address.bus, n->wiped->code,
			n->wiped->text);
	if (n->event == KEEPER_GIVEN || n->event == KEEPER_STUCK)
		for (size_t i = 0; i < n->report->returned_count; i++)
			note_line("given %02x %s to %s%s: %s\n", n->report->returned[i].address.bus,
				n->report->returned[i].from, n->report->returned[i].to,
				n->report->returned[i].left ? ", left" : "",
				n->report->returned[i].text);
	if (n->event == KEEPER_STUCK || n->event == KEEPER_FAILED)
		note_line("error %d %s (%s)\n", n->error->code, n->error->msg, n->error->hint);
	if (n->event == KEEPER_LOST)
		lost += n->status;
}

static struct clients clients;
static int far_end;

static void clients_start(void)
{
	int ends[2];

	clients = CLIENTS_NONE;
	ck_assert_int_eq(wire_pair(ends), 0);
	ck_assert_int_eq(clients_add(&clients, ends[0], false), 0);
	far_end = ends[1];
}

static void clients_end(void)
{
	struct wire_event done = {.event = WIRE_EVENT_DONE};

	clients_send(&clients, &done);
	clients_close(&clients);
}

START_TEST(a_plan)
{
	struct bind_member members[] = {
		{.device = {.address.bus = 1, .driver = "nvme"}, .driver = "vfio-pci"},
		{.device = {.address.bus = 2, .driver = "pcieport", .is_bridge = true},
			.act = BIND_ACT_STAYS},
		{.device = {.address.bus = 3}, .driver = "vfio-pci"},
	};
	struct bind_group groups[] = {{.number = 7, .count = 2, .members = members},
		{.number = 8, .count = 1, .members = members + 2}};
	struct bind_problem problems[] = {{.check = "block",
		.refuses = true,
		.liftable = true,
		.object = "nvme0n1",
		.text = "is mounted",
		.fix = "umount it"}};
	const struct bind_plan plan = {.group_count = 2,
		.groups = groups,
		.problem_count = 1,
		.problems = problems,
		.refusals = 1};

	clients_start();
	clients_tell(&clients, &(struct keeper_news){.event = KEEPER_PLANNED, .plan = &plan});
	/* A second message is a message of its own. */
	clients_tell(
		&clients, &(struct keeper_news){.event = KEEPER_PLANNED, .plan = &BIND_PLAN_NONE});
	clients_end();
	ck_assert_int_eq(follow_keeper(far_end, hear_news, NULL), 0);
	ck_assert_str_eq(heard, "group 7: 01 nvme to vfio-pci\n"
				"group 7: 02 pcieport to , bridge\n"
				"group 8: 03  to vfio-pci\n"
				"[block] nvme0n1: is mounted; umount it 11\n"
				"refusals 1\n"
				"refusals 0\n");
}
END_TEST

START_TEST(a_life)
{
	struct bind_returned given[] = {
		{.address.bus = 1, .from = "vfio-pci", .to = "nvme"},
		{.address.bus = 2, .from = "vfio-pci", .left = true, .text = "no reset"},
	};
	const struct bind_report report = {.returned_count = 2, .returned = given};
	const struct wiped wiped = {.address.bus = 5, .code = -ENOTTY, .text = "cannot"};
	const struct err error = {.code = -EIO, .msg = "it hangs", .hint = "wait"};

	clients_start();
	clients_tell(&clients, &(struct keeper_news){.event = KEEPER_STARTED, .pid = 42, .us = 5});
	clients_tell(&clients, &(struct keeper_news){.event = KEEPER_ENDED, .status = 137});
	clients_tell(&clients, &(struct keeper_news){.event = KEEPER_WIPED, .wiped = &wiped});
	clients_tell(&clients, &(struct keeper_news){.event = KEEPER_GIVEN, .report = &report});
	clients_tell(&clients,
		&(struct keeper_news){
			.event = KEEPER_STUCK, .report = &BIND_REPORT_NONE, .error = &error});
	clients_tell(&clients, &(struct keeper_news){.event = KEEPER_FAILED, .error = &error});
	clients_end();
	ck_assert_int_eq(follow_keeper(far_end, hear_news, NULL), 0);
	ck_assert_str_eq(heard, "started 42 in 5\nended 137\nwiped 05 -25 cannot\n"
				"given 01 vfio-pci to nvme: \n"
				"given 02 vfio-pci to , left: no reset\n"
				"error -5 it hangs (wait)\nerror -5 it hangs (wait)\n");
}
END_TEST

/* The first event that fits again reports how many were lost. */
START_TEST(what_nobody_reads_in_time_is_counted)
{
	const struct keeper_news news = {.event = KEEPER_STOPPING};
	struct wire_event ev;
	unsigned sent = 0;

	clients_start();
	while (!clients.list[0].lost && ++sent < 100000)
		clients_tell(&clients, &news);
	for (unsigned i = 0; i < 4; i++)
		clients_tell(&clients, &news);
	ck_assert_uint_ge(sent, 30); /* plans and reports of a few groups always fit */
	ck_assert_uint_eq(clients.list[0].lost, 5);
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_eq(wire_receive(far_end, &ev, sizeof(ev), NULL), 0);
	clients_end();
	ck_assert_int_eq(follow_keeper(far_end, hear_news, NULL), 0);
	ck_assert_int_eq(lost, 5);
}
END_TEST

START_TEST(a_keeper_that_is_killed)
{
	clients_start();
	clients_tell(&clients, &(struct keeper_news){.event = KEEPER_ENDED, .status = 1});
	clients_close(&clients);
	ck_assert_int_eq(follow_keeper(far_end, hear_news, NULL), -EPIPE);
	ck_assert_str_eq(heard, "ended 1\n");
}
END_TEST

START_TEST(events_out_of_bounds)
{
	struct wire_event good = {.header.kind = WIRE_EVENT, .event = WIRE_EVENT_ENDED}, bad;

	ck_assert_int_eq(wire_event_check(&good), 0);
	bad = good, bad.event = WIRE_EVENT_WARNED + 1;
	ck_assert_int_eq(wire_event_check(&bad), -EPROTO);
	bad = good, bad.event = 0;
	ck_assert_int_eq(wire_event_check(&bad), -EPROTO);
	bad = good, bad.flags = 1 << 9;
	ck_assert_int_eq(wire_event_check(&bad), -EPROTO);
	bad = good, bad.device.fn = 8;
	ck_assert_int_eq(wire_event_check(&bad), -EPROTO);
	bad = good, memset(bad.hint, 'x', sizeof(bad.hint));
	ck_assert_int_eq(wire_event_check(&bad), -EPROTO);
	struct wire_command c = {.header.kind = WIRE_COMMAND, .command = WIRE_COMMAND_STOP};
	ck_assert_int_eq(wire_command_check(&c), 0);
	c.signal = -1;
	ck_assert_int_eq(wire_command_check(&c), -EPROTO);
	c.signal = 0, c.command = 9;
	ck_assert_int_eq(wire_command_check(&c), -EPROTO);
}
END_TEST

SUITE("follow", a_plan, a_life, what_nobody_reads_in_time_is_counted, a_keeper_that_is_killed,
	events_out_of_bounds)
