/* SPDX-License-Identifier: MIT */
#include "engine/qemu/monitor.h"

#include "base/err.h"
#include "base/signals.h"
#include "control/value.h"
#include "engine/engine.h"
#include "engine/qemu/obey.h"
#include "engine/qemu/parts.h"
#include "engine/qemu/translator.h"
#include "engine/spec.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A QEMU that reads commands from its standard input, and answers by this list. */
struct answer {
	const char *command, *text; /* text: in place of "return":{}; NULL: none, and the end */
};

static struct guest_spec spec;
static struct qemu_parts parts;
static struct monitor monitor;
static struct wire_done done;
static pid_t qemu;
static FILE *heard;

/* That of the command is the last one: a device has an id, too. */
static const char *id_of_line(const char *line)
{
	const char *id = NULL;

	while ((line = strstr(line, "\"id\":")))
		id = line++;
	return id;
}

static void qemu_main(int fd, const struct answer *answers, int log)
{
	FILE *f = fdopen(fd, "r+");
	char line[1024];

	(void)fprintf(f, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
	(void)fflush(f);
	while (fgets(line, sizeof(line), f)) {
		const char *id = id_of_line(line);
		const char *text = "\"return\": {}";
		dprintf(log, "%s", line);
		for (const struct answer *a = answers; a && a->command; a++)
			if (strstr(line, a->command))
				text = a->text;
		if (!id || !text)
			_exit(0);
		(void)fseek(f, 0, SEEK_CUR);
		(void)fprintf(f, "{\"event\": \"RTC_CHANGE\", \"data\": {}}\r\n");
		(void)fprintf(f, "{%s, \"id\": %d}\r\n", text, atoi(id + 5));
		(void)fflush(f);
	}
	_exit(0);
}

static void qemu_start(const struct answer *answers)
{
	int ends[2], log = memfd_create("heard", 0);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	qemu = fork();
	if (qemu == 0) {
		(void)close(ends[0]);
		qemu_main(ends[1], answers, log);
	}
	(void)close(ends[1]);
	heard = fdopen(log, "r");
	qemu_parts_init(&parts);
	spec = (struct guest_spec){.name = "box",
		.virtio_count = 2,
		.virtio = {{.type = GUEST_VIRTIO_BLK}, {.type = GUEST_VIRTIO_NET}}};
	monitor = (struct monitor){.qmp = ends[0], .spec = &spec, .parts = &parts};
}

static int obey(struct wire_order order)
{
	done = (struct wire_done){0};
	monitor_obey(&monitor, &order, &done);
	return done.result;
}

/* Whether QEMU has got a line with that in it. */
static bool was_told(const char *text)
{
	char line[1024];
	bool found = false;

	rewind(heard);
	while (fgets(line, sizeof(line), heard))
		found |= strstr(line, text) != NULL;
	return found;
}

/* Whether @second has come in a line after @first. */
static bool was_told_after(const char *first, const char *second)
{
	char line[1024];
	int stage = 0;

	rewind(heard);
	while (fgets(line, sizeof(line), heard))
		stage += stage < 2 && strstr(line, stage == 0 ? first : second);
	return stage == 2;
}

START_TEST(translates_orders)
{
	static const struct answer answers[] = {
		{"query-status", "\"return\": {\"status\": \"running\", \"running\": true}"}, {0}};

	qemu_start(answers);
	ck_assert_int_eq(obey((struct wire_order){.order = WIRE_ORDER_BUTTON}), 0);
	ck_assert(was_told("system_powerdown"));
	ck_assert_int_eq(obey((struct wire_order){.order = WIRE_ORDER_RESET}), 0);
	ck_assert(was_told("system_reset"));
	ck_assert_int_eq(obey((struct wire_order){.order = WIRE_ORDER_PAUSE}), 0);
	ck_assert(was_told("\"stop\""));
	ck_assert_int_eq(obey((struct wire_order){.order = WIRE_ORDER_RESUME}), -EALREADY);
	ck_assert(!was_told("\"cont\""));
	ck_assert_int_eq(obey((struct wire_order){.order = WIRE_ORDER_FIGURES}), -EOPNOTSUPP);
	ck_assert_int_eq(obey((struct wire_order){.order = WIRE_ORDER_CONSOLE}), -EOPNOTSUPP);
}
END_TEST

START_TEST(a_paused_guest_sees_no_button)
{
	static const struct answer answers[] = {
		{"query-status", "\"return\": {\"status\": \"paused\", \"running\": false}"}, {0}};

	qemu_start(answers);
	ck_assert_int_eq(obey((struct wire_order){.order = WIRE_ORDER_BUTTON}), -EAGAIN);
	ck_assert(!was_told("system_powerdown"));
	ck_assert_int_eq(obey((struct wire_order){.order = WIRE_ORDER_PAUSE}), -EALREADY);
	ck_assert_int_eq(obey((struct wire_order){.order = WIRE_ORDER_RESUME}), 0);
	ck_assert(was_told("\"cont\""));
}
END_TEST

START_TEST(a_link_has_two_states)
{
	const struct wire_order down = {.order = WIRE_ORDER_LINK, .card = 1};
	const struct wire_order up = {.order = WIRE_ORDER_LINK, .card = 1, .flags = WIRE_ORDER_UP};

	qemu_start(NULL);
	ck_assert_int_eq(obey(up), -EALREADY);
	ck_assert_int_eq(obey(down), 0);
	ck_assert(was_told("\"name\":\"usher-virtio1\",\"up\":false"));
	ck_assert_int_eq(obey(down), -EALREADY);
	ck_assert_int_eq(obey(up), 0);
	ck_assert_int_eq(obey((struct wire_order){.order = WIRE_ORDER_LINK, .card = 0}), -ENODEV);
	ck_assert_int_eq(obey((struct wire_order){.order = WIRE_ORDER_LINK, .card = 9}), -ENODEV);
}
END_TEST

START_TEST(a_disk_gets_the_size_of_its_file)
{
	struct wire_order order = {.order = WIRE_ORDER_RESIZE};

	qemu_start(NULL);
	ck_assert_int_eq(obey(order), -ENODEV); /* QEMU has opened it by its path */
	parts.disks[0].fd = memfd_create("disk", 0);
	ck_assert_int_eq(ftruncate(parts.disks[0].fd, 8192), 0);
	ck_assert_int_eq(obey(order), 0);
	ck_assert(was_told("\"node-name\":\"usher-disk0\",\"size\":8192"));
	ck_assert_str_eq(done.text, "{\"size\":8192}");
	ck_assert_uint_eq(done.length, strlen(done.text));
	order.size = 4096;
	ck_assert_int_eq(obey(order), -ERANGE);
	order.size = 16384;
	ck_assert_int_eq(obey(order), 0);
	parts.disks[0].is_block = true;
	ck_assert_int_eq(obey(order), -EINVAL);
	order.disk = 1;
	ck_assert_int_eq(obey(order), -ENODEV);
}
END_TEST

/* What QEMU has: two root ports, and in the first the device that the guest started with. */
static const struct answer two_ports[] = {
	{"qom-list",
		"\"return\": [{\"name\": \"usher-slot0\", \"type\": \"child<pcie-root-port>\"},"
		"{\"name\": \"usher0\"}, {\"name\": \"usher-qmp\"}, {\"name\": \"usher-spare0\"}, "
		"{\"name\": \"usher1\"}, {\"name\": \"usher7\"}, "
		"{\"name\": \"usher-0000.05.00.00\"}, {\"odd\": 1}]"},
	{"qom-get", "\"return\": \"/machine/peripheral/usher-slot0/usher-slot0\""},
	{"\"host\":\"0000:06:00.0\"",
		"\"error\": {\"class\": \"GenericError\", \"desc\": \"no way\"}"},
	{"\"id\":\"usher0\"", "\"error\": {\"class\": \"GenericError\", \"desc\": "
			      "\"Device usher0 is already in the process of unplug\"}"},
	{"\"id\":\"usher1\"", "\"error\": {\"class\": \"DeviceNotFound\", \"desc\": "
			      "\"Device 'usher1' not found\"}"},
	{0}};

static struct wire_order card(enum wire_order_kind kind, uint8_t bus, uint8_t count)
{
	struct wire_order o = {.order = kind, .function_count = count};

	for (uint8_t i = 0; i < count; i++)
		o.functions[i] = (struct wire_address){.bus = bus, .fn = i};
	return o;
}

START_TEST(a_card_gets_an_empty_port)
{
	qemu_start(two_ports);
	spec.device_count = 1;
	spec.devices[0].address = (struct pci_address){.bus = 4};
	ck_assert_int_eq(obey((struct wire_order){.order = WIRE_ORDER_LENT}), 0);
	ck_assert_str_eq(done.text, "0000:04:00.0 usher-slot0\n");
	ck_assert_uint_eq(done.length, strlen(done.text));
	ck_assert_int_eq(obey(card(WIRE_ORDER_PLUG, 4, 1)), -EEXIST);
	ck_assert_int_eq(obey(card(WIRE_ORDER_PLUG, 5, 2)), 0);
	/* The guest looks when function 0 comes. */
	ck_assert(was_told_after("\"host\":\"0000:05:00.1\",\"id\":\"usher-0000.05.00.1\","
				 "\"bus\":\"usher-spare0\",\"addr\":\"0x0.0x1\"",
		"\"host\":\"0000:05:00.0\""));
	/* What was refused leaves nothing behind. */
	ck_assert_int_eq(obey(card(WIRE_ORDER_PLUG, 6, 2)), -EREMOTEIO);
	ck_assert_str_eq(done.text, "no way");
	ck_assert(was_told_after("\"host\":\"0000:06:00.0\"",
		"\"device_del\",\"arguments\":{\"id\":\"usher-0000.06.00.1\"}"));
}
END_TEST

START_TEST(a_card_is_asked_for_once)
{
	qemu_start(two_ports);
	spec.device_count = 1;
	spec.devices[0].address = (struct pci_address){.bus = 4};
	ck_assert_int_eq(obey(card(WIRE_ORDER_UNPLUG, 5, 1)), -ENODEV);
	ck_assert(!was_told("device_del"));
	/* QEMU has asked the guest before. */
	ck_assert_int_eq(obey(card(WIRE_ORDER_UNPLUG, 4, 1)), 0);
	ck_assert(was_told("\"device_del\",\"arguments\":{\"id\":\"usher0\"}"));
	/* The guest has let it go meanwhile. */
	spec.device_count = 2;
	spec.devices[1].address = (struct pci_address){.bus = 7};
	ck_assert_int_eq(obey(card(WIRE_ORDER_UNPLUG, 7, 1)), -ENODEV);
	ck_assert(was_told("\"device_del\",\"arguments\":{\"id\":\"usher1\"}"));
}
END_TEST

START_TEST(without_an_empty_port_there_is_no_room)
{
	static const struct answer full[] = {
		{"qom-list", "\"return\": [{\"name\": \"usher-slot0\"}, {\"name\": \"usher0\"}]"},
		{"qom-get", "\"return\": \"/machine/peripheral/usher-slot0/usher-slot0\""}, {0}};

	qemu_start(full);
	spec.device_count = 1;
	spec.devices[0].address = (struct pci_address){.bus = 4};
	ck_assert_int_eq(obey(card(WIRE_ORDER_PLUG, 5, 1)), -ENOSPC);
}
END_TEST

START_TEST(qemu_refuses_or_ends)
{
	static const struct answer answers[] = {
		{"system_reset", "\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}"},
		{"query-status", NULL}, {0}};

	qemu_start(answers);
	ck_assert_int_eq(obey((struct wire_order){.order = WIRE_ORDER_RESET}), -EREMOTEIO);
	ck_assert_int_eq(obey((struct wire_order){.order = WIRE_ORDER_PAUSE}), -EPIPE);
}
END_TEST

/* Its guest may have taken it over. */
START_TEST(nonsense_of_qemu_is_no_answer)
{
	static const char *const lines[] = {"\n", "{\n", "[]\n", "{\"id\":1}\n",
		"{\"return\":1,\"id\":\"1\"}\n", "{\"return\":[],\"id\":1}{}\n"};
	static char flood[2 * MONITOR_LINE_MAX];
	int ends[2];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]) + 1; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		monitor = (struct monitor){.qmp = ends[0]};
		if (i < sizeof(lines) / sizeof(lines[0])) {
			ck_assert_int_gt(write(ends[1], lines[i], strlen(lines[i])), 0);
		} else {
			memset(flood, 'x', sizeof(flood));
			ck_assert_int_gt(send(ends[1], flood, sizeof(flood), MSG_DONTWAIT), 0);
		}
		(void)shutdown(ends[1], SHUT_WR);
		ck_assert_int_lt(monitor_ask(&monitor, "{\"execute\":\"stop\"}", NULL), 0);
		(void)close(ends[0]);
		(void)close(ends[1]);
	}
}
END_TEST

/* One that hangs leaves its socket full. */
START_TEST(a_qemu_that_reads_nothing_is_not_waited_for)
{
	static const char flood[4096];
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	while (send(ends[0], flood, sizeof(flood), MSG_DONTWAIT) > 0)
		continue;
	monitor = (struct monitor){.qmp = ends[0], .wait_ms = 200};
	(void)alarm(10);
	ck_assert_int_eq(monitor_ask(&monitor, "{\"execute\":\"stop\"}", NULL), -ETIMEDOUT);
	(void)alarm(0);
	(void)close(ends[0]);
	(void)close(ends[1]);
}
END_TEST

/* A terminal sends Ctrl-Z to the whole group; the keeper has that blocked, and goes on. */
START_TEST(a_terminal_does_not_stop_the_translator)
{
	static struct engine_run run;
	struct wire_order order = {.order = WIRE_ORDER_RESET};
	struct pollfd answered = {.events = POLLIN};
	struct wire_fds none = {0};
	struct err e = {0};
	sigset_t stops;

	run = ENGINE_RUN_NONE;
	qemu_parts_init(&parts);
	signals_survive_writes();
	signals_that_stop(&stops);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &stops, NULL), 0);
	int qmp = translator_start(&run, &(struct guest_spec){.name = "box"}, &parts, &e);
	ck_assert_msg(qmp >= 0, "%s", e.msg);
	(void)close(qmp);
	ck_assert_int_eq(kill(run.translator, SIGTSTP), 0);
	order.header = (struct wire_header){.kind = WIRE_ORDER, .id = 1};
	ck_assert_int_eq(wire_send(run.orders_fd, &order, sizeof(order), NULL), 0);
	answered.fd = run.orders_fd;
	ck_assert_int_eq(poll(&answered, 1, 3000), 1);
	ck_assert_int_eq(wire_receive(run.orders_fd, &done, sizeof(done), &none), 0);
	ck_assert_int_eq(done.result, -EPIPE);
	translator_stop(&run.translator);
	(void)close(run.orders_fd);
}
END_TEST

SUITE("engine_qemu_monitor", translates_orders, a_paused_guest_sees_no_button,
	a_link_has_two_states, a_disk_gets_the_size_of_its_file, a_card_gets_an_empty_port,
	a_card_is_asked_for_once, without_an_empty_port_there_is_no_room, qemu_refuses_or_ends,
	nonsense_of_qemu_is_no_answer, a_qemu_that_reads_nothing_is_not_waited_for,
	a_terminal_does_not_stop_the_translator)
