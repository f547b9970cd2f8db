/* SPDX-License-Identifier: MIT */
#include "engine/control/plug.h"

#include "base/fd.h"
#include "suite.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct control control;
static int client_end;
static const struct guest_spec spec = {.name = "box"};

/* A keeper with one client, which asks for a change. Return: what that hears. */
static const char *ask(const char *engine, enum control_phase phase, const char *device)
{
	static char line[CONTROL_SEND_MAX];
	struct control_request q = {.command = CONTROL_ATTACH, .devices.count = 1};
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	client_end = ends[1];
	control = (struct control){
		.orders_fd = -1, .plug = PLUG_NONE, .phase = phase, .count = 1, .listen_fd = -1};
	control.guest = (struct control_guest){.spec = &spec, .engine = engine};
	ck_assert_int_eq(control_client_init(&control.list[0], ends[0]), 0);
	(void)strcpy(q.devices.list[0], device);
	control_plug_begin(&control, &control.list[0], &q);
	ck_assert_int_eq(control_client_flush(&control.list[0]), 0);
	ssize_t got = recv(client_end, line, sizeof(line) - 1, MSG_DONTWAIT);
	line[got > 0 ? got : 0] = '\0';
	return line;
}

static void expect(const char *line, const char *part)
{
	ck_assert_msg(strstr(line, part) != NULL, "'%s' has no '%s'", line, part);
	ck_assert(!control.list[0].plugs);
	control_client_fini(&control.list[0]);
	(void)close(client_end);
}

START_TEST(only_a_qemu_that_runs_gets_devices)
{
	expect(ask("usher", CONTROL_RUNNING, "03:00.0"),
		"usher-vmm runs guest 'box', whose devices are those it starts with");
	expect(ask("libvirt", CONTROL_RUNNING, "03:00.0"), "usher attach --libvirt");
	expect(ask("qemu", CONTROL_STARTING, "03:00.0"), "guest 'box' does not run yet");
	expect(ask("qemu", CONTROL_ENDED, "03:00.0"), "guest 'box' does not run any more");
	expect(ask("qemu", CONTROL_RUNNING, "03:00.0"), "QEMU takes no orders");
}
END_TEST

SUITE("engine_control_plug", only_a_qemu_that_runs_gets_devices)
