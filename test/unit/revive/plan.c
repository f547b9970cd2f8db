/* SPDX-License-Identifier: MIT */
#include "revive/plan.h"

#include "base/err.h"
#include "base/file.h"
#include "host/host.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>

/* The fixture, with more lines behind it. */
static struct host *host_open(const char *more)
{
	char path[FILE_PATH_MAX];
	struct err e = {0};
	struct host *h = NULL;
	char *text = NULL, *all = NULL;

	ck_assert_int_eq(file_path(path, sizeof(path), "%s/host/revive.host", suite_fixtures), 0);
	ck_assert_int_gt(host_read_all(host_live(), path, &text), 0);
	/* A snapshot ends with a line that says so. */
	char *end = strstr(text, "\nend\n");
	ck_assert_ptr_nonnull(end);
	*end = '\0';
	int n = asprintf(&all, "%s\n%send\n", text, more);
	ck_assert_int_gt(n, 0);
	ck_assert_msg(host_snapshot_from(all, (size_t)n, &h, &e) == 0, "%s", e.msg);
	free(text);
	free(all);
	return h;
}

static void plan_make(struct host *h, struct revive_request q, struct revive_plan *ret)
{
	const struct bind_env env = {.host = h, .state = "/run/usher", .timeout_ms = 100};
	struct err e = {0};

	ck_assert_msg(revive_plan(&env, &q, ret, &e) == 0, "%s", e.msg);
}

static struct revive_request request_of(const char *address)
{
	struct revive_request q = {0};

	ck_assert_int_eq(pci_address_parse(address, &q.function.address), 0);
	return q;
}

static struct pci_address address_of(const char *text)
{
	struct pci_address a = {0};

	ck_assert_int_eq(pci_address_parse(text, &a), 0);
	return a;
}

static const struct revive_step *step_of(const struct revive_plan *p, enum revive_kind kind)
{
	for (size_t i = 0; i < p->step_count; i++)
		if (p->steps[i].kind == kind)
			return &p->steps[i];
	return NULL;
}

/* Whether a write of the step has that path's end and text. */
static bool step_writes(
	const struct revive_plan *p, enum revive_kind kind, const char *path, const char *text)
{
	const struct revive_step *s = step_of(p, kind);

	for (size_t i = s ? s->first : 0; s && i < s->first + s->count; i++)
		if (strstr(p->writes[i].path, path) && strcmp(p->writes[i].text, text) == 0)
			return true;
	return false;
}

START_TEST(a_device_that_answers_needs_no_step)
{
	struct host *h = host_open("");
	struct revive_plan p;

	plan_make(h, request_of("0000:08:00.0"), &p);
	ck_assert_int_eq(p.state, REVIVE_ANSWERS);
	ck_assert_uint_eq(p.step_count, 0);
	revive_plan_fini(&p);
	host_close(h);
}
END_TEST

/* FLR and PM are writes to a device that takes none; the driver is not asked to prepare. */
START_TEST(a_dead_card_gets_every_step)
{
	struct host *h = host_open("");
	struct revive_plan p;

	plan_make(h, request_of("0000:01:00.0"), &p);
	ck_assert_int_eq(p.state, REVIVE_DEAD);
	ck_assert_uint_eq(p.says.refusals + p.aside.refusals, 0);
	ck_assert_uint_eq(p.step_count, 6);
	ck_assert(step_writes(&p, REVIVE_WAKE, "0000:00:01.0/power/control", "on"));
	ck_assert(step_writes(&p, REVIVE_WAKE, "0000:01:00.0/d3cold_allowed", "0"));
	ck_assert(step_writes(&p, REVIVE_RESET, "nvidia/unbind", "0000:01:00.0"));
	ck_assert(step_writes(&p, REVIVE_RESET, "0000:01:00.0/reset_method", "bus"));
	ck_assert(!step_writes(&p, REVIVE_REMOVE, "0000:01:00.1/remove", "1"));
	ck_assert(step_writes(&p, REVIVE_REMOVE_ALL, "0000:01:00.1/remove", "1"));
	ck_assert(step_writes(&p, REVIVE_SLOT, "slots/1/power", "0"));
	ck_assert(step_writes(&p, REVIVE_RETRAIN, "0000:00:01.0/config", "0x50=0x0020"));
	revive_plan_fini(&p);
	host_close(h);
}
END_TEST

/* Bus 3 has gone with its switch: the port is the one whose range has it. */
START_TEST(a_gone_device_is_looked_for_behind_its_port)
{
	struct host *h = host_open("");
	struct revive_plan p;

	plan_make(h, request_of("0000:03:00.0"), &p);
	ck_assert_int_eq(p.state, REVIVE_GONE);
	ck_assert(p.has_port && pci_address_equal(p.port.address, address_of("0000:00:02.0")));
	ck_assert(p.known.has_id && p.known.vendor == 0x1002 && p.known.device == 0x73bf);
	ck_assert_str_eq(p.known.source, "the kernel log");
	ck_assert(step_writes(&p, REVIVE_SCAN, "pci_bus/0000:02/rescan", "1"));
	/* Its link is disabled: that has to go, too. */
	ck_assert(step_writes(&p, REVIVE_RETRAIN, "0000:00:02.0/config", "0x50=0x0020"));
	ck_assert_int_eq(p.port.presence, REVIVE_PRESENCE_EMPTY);
	revive_plan_fini(&p);
	host_close(h);
}
END_TEST

START_TEST(a_dead_switch_is_removed_with_all_behind_it)
{
	struct host *h = host_open("");
	struct revive_plan p;

	plan_make(h, request_of("0000:07:00.0"), &p);
	ck_assert(pci_address_equal(p.port.address, address_of("0000:00:03.0")));
	ck_assert(pci_address_equal(p.card, address_of("0000:05:00.0")));
	ck_assert(step_writes(&p, REVIVE_REMOVE, "0000:05:00.0/remove", "1"));
	ck_assert(!step_of(&p, REVIVE_RESET));
	revive_plan_fini(&p);
	host_close(h);
}
END_TEST

START_TEST(a_neighbour_in_use_keeps_the_port_from_being_touched)
{
	static const char *const net[] = {"net"};
	struct host *h = host_open("");
	struct revive_request q = request_of("0000:08:00.1");
	struct revive_plan p;

	plan_make(h, q, &p);
	ck_assert_uint_eq(p.says.refusals, 0);
	ck_assert_uint_gt(p.aside.refusals, 0);
	ck_assert(!step_of(&p, REVIVE_REMOVE)->withheld);
	ck_assert(step_of(&p, REVIVE_REMOVE_ALL)->withheld);
	ck_assert(step_of(&p, REVIVE_RETRAIN)->withheld);
	ck_assert(revive_is_withheld(&p));
	revive_plan_fini(&p);

	q.allow = net;
	q.allow_count = 1;
	plan_make(h, q, &p);
	ck_assert(!revive_is_withheld(&p));
	revive_plan_fini(&p);
	host_close(h);
}
END_TEST

START_TEST(a_mistyped_address_costs_nobody_the_power)
{
	struct host *h = host_open("");
	struct revive_request q = request_of("0000:08:00.5");
	struct revive_plan p;

	plan_make(h, q, &p);
	ck_assert(step_of(&p, REVIVE_RETRAIN)->withheld);
	ck_assert_str_eq(p.aside.problems[p.aside.problem_count - 1].check, "unknown");
	revive_plan_fini(&p);
	plan_make(h, request_of("0000:0a:00.0"), &p);
	ck_assert_uint_eq(p.says.refusals, 1);
	ck_assert_str_eq(p.says.problems[0].check, "port");
	ck_assert_uint_eq(p.step_count, 0);
	revive_plan_fini(&p);

	q = request_of("0000:0a:00.0");
	q.has_port = true;
	q.port = address_of("0000:00:05.0");
	plan_make(h, q, &p);
	ck_assert_uint_eq(p.says.refusals, 0);
	ck_assert(step_writes(&p, REVIVE_SCAN, "pci_bus/0000:09/rescan", "1"));
	revive_plan_fini(&p);
	q.port = address_of("0000:08:00.0");
	plan_make(h, q, &p);
	ck_assert_uint_eq(p.says.refusals, 1);
	revive_plan_fini(&p);
	host_close(h);
}
END_TEST

#define BLANK                                                           \
	"link /sys/bus/pci/devices/0000:09:00.0 "                       \
	"../../../devices/pci0000:00/0000:00:05.0/0000:09:00.0\n"       \
	"at /sys/devices/pci0000:00/0000:00:05.0/0000:09:00.0\n"        \
	"file vendor 0x144d\nfile device 0xa80a\nfile class 0x010802\n" \
	"file driver_override (null)\nfile reset_method flr bus\n"      \
	"file resource 0x00000000f0000000 0x00000000f0003fff 0x0000000000140204\n"

/* It lost its power for a while: what the kernel knows of its BARs is not in its registers. */
START_TEST(a_blank_device_is_found_anew)
{
	struct host *h = host_open(BLANK "bytes config 256 0:4d140aa8 8:00020801 10:04\n");
	struct revive_plan p;

	plan_make(h, request_of("0000:09:00.0"), &p);
	ck_assert_int_eq(p.state, REVIVE_BLANK);
	ck_assert(!step_of(&p, REVIVE_RESET));
	ck_assert(step_writes(&p, REVIVE_REMOVE, "0000:09:00.0/remove", "1"));
	revive_plan_fini(&p);
	host_close(h);

	h = host_open(BLANK "bytes config 256 0:4d140aa8 8:00020801 10:040000f0\n");
	plan_make(h, request_of("0000:09:00.0"), &p);
	ck_assert_int_eq(p.state, REVIVE_ANSWERS);
	revive_plan_fini(&p);
	host_close(h);
}
END_TEST

START_TEST(another_id_is_refused)
{
	struct host *h = host_open("");
	struct revive_request q = request_of("0000:01:00.0");
	struct revive_plan p;

	q.function.has_id = true;
	q.function.vendor = 0x10de;
	q.function.device = 0x2484;
	plan_make(h, q, &p);
	ck_assert_uint_eq(p.says.refusals, 1);
	ck_assert_str_eq(p.says.problems[0].check, "id");
	revive_plan_fini(&p);
	host_close(h);
}
END_TEST

#define JOURNAL                                                                                 \
	"file /run/usher/journal/9 usher-journal 1\\ngroup 9\\nboot "                           \
	"11111111-2222-3333-4444-555555555555\\nstate taken\\nowner 0 0 -\\nwriter 0 0\\nkept " \
	"yes\\nused no\\nreset needed\\nmembers 1\\nmember 0000:09:00.0 144d:a80a "             \
	"010802\\nto vfio-pci\\ndriver nvme\\noverride -\\ncontrol on\\nreset_method flr\\nend\n"

/* A device that was bound manually goes back to the driver that it was bound to. */
START_TEST(the_journal_knows_a_bound_device)
{
	struct host *h = host_open(JOURNAL);
	struct revive_plan p;

	plan_make(h, request_of("0000:09:00.0"), &p);
	ck_assert_uint_eq(p.known.vendor, 0x144d);
	ck_assert_str_eq(p.known.source, "the journal of group 9");
	ck_assert_uint_eq(p.override_count, 1);
	ck_assert_str_eq(p.overrides[0].driver, "vfio-pci");
	revive_plan_fini(&p);
	host_close(h);
}
END_TEST

/* What an earlier snapshot shows of it: its id, and its port where the numbers have changed. */
START_TEST(a_snapshot_of_before_knows_a_device)
{
	struct host *h = host_open("");
	struct revive_request q = request_of("0000:0c:00.0");
	struct revive_plan p;

	q.before = host_open("link /sys/bus/pci/devices/0000:0c:00.0 "
			     "../../../devices/pci0000:00/0000:00:05.0/0000:0c:00.0\n"
			     "at /sys/devices/pci0000:00/0000:00:05.0/0000:0c:00.0\n"
			     "file vendor 0x1234\nfile device 0x5678\nfile class 0x030000\n"
			     "file driver_override (null)\n");
	plan_make(h, q, &p);
	ck_assert_uint_eq(p.says.refusals, 0);
	ck_assert_uint_eq(p.known.device, 0x5678);
	ck_assert(pci_address_equal(p.port.address, address_of("0000:00:05.0")));
	revive_plan_fini(&p);
	host_close(q.before);
	host_close(h);
}
END_TEST

SUITE("revive plan", a_device_that_answers_needs_no_step, a_dead_card_gets_every_step,
	a_gone_device_is_looked_for_behind_its_port, a_dead_switch_is_removed_with_all_behind_it,
	a_neighbour_in_use_keeps_the_port_from_being_touched,
	a_mistyped_address_costs_nobody_the_power, another_id_is_refused,
	a_blank_device_is_found_anew, the_journal_knows_a_bound_device,
	a_snapshot_of_before_knows_a_device)
