/* SPDX-License-Identifier: MIT */
#ifndef TEST_ENGINE_CONTROL_RIG_H
#define TEST_ENGINE_CONTROL_RIG_H

/* The keeper's control socket: this process is the keeper, its clients, and usher-vmm. */
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "engine/control.h"
#include "engine/news.h"
#include "suite.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/usher-control-XXXXXX";
static char path[64];
static struct control *keeper;
static int vmm; /* its end of the socket for orders */
static const struct guest_spec spec = {.name = "box",
	.cpus = 2,
	.console = GUEST_CONSOLE_VIRTIO,
	.port_count = 2,
	.ports = {{.name = "chat"}, {.name = "agent", .kind = GUEST_PORT_SOCKET}},
	.virtio_count = 5,
	.virtio = {{.type = GUEST_VIRTIO_BLK, .disk = {.path = "/srv/a"}},
		{.type = GUEST_VIRTIO_RNG},
		{.type = GUEST_VIRTIO_BLK, .disk = {.path = "/srv/b", .serial = "b-1"}},
		{.type = GUEST_VIRTIO_NET, .net = {.tap = "usr0", .mac = {2, 0, 0, 0, 0, 9}}},
		{.type = GUEST_VIRTIO_NET, .net = {.mac = {2, 0, 0, 0, 0, 10}}}},
	.device_count = 1,
	.devices = {{.address = {.bus = 3, .fn = 1}}}};

static void start(void)
{
	int ends[2];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/control", folder);
	ck_assert_int_eq(control_listen(&keeper, path), 0);
	ck_assert_int_eq(wire_pair(ends), 0);
	keeper->orders_fd = ends[0];
	vmm = ends[1];
	keeper->guest = (struct control_guest){
		&spec, "usher", false, 1 << 29, false, true, 77, 1000, 1, {{.bus = 3, .fn = 1}}};
	keeper->phase = CONTROL_RUNNING;
}

static void stop(void)
{
	ck_assert_int_eq(unlink(path), 0);
	control_close(keeper, 0);
	(void)close(vmm);
	ck_assert_int_eq(rmdir(folder), 0);
}

/* The keeper's loop, until it would wait. Return: the signal that is to stop the guest, 0. */
static int settle(void)
{
	struct pollfd fds[CONTROL_POLL_MAX];
	int number = 0;

	for (unsigned turns = 0;; turns++) {
		ck_assert_uint_lt(turns, 100000); /* it turns in circles */
		size_t count = control_poll(keeper, fds);
		int n = poll(fds, count, 0);
		if (n == 0 && control_patience(keeper) != 0)
			return number;
		int r = control_serve(keeper, fds, count);
		number = r ? r : number;
	}
}

/* The next line for the client; "" the connection is closed. */
static const char *hear(int fd)
{
	static char line[CONTROL_SEND_MAX];
	ssize_t got = 0, before;
	const char *end;

	do {
		(void)settle();
		before = got;
		got = recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT | MSG_PEEK);
		end = got > 0 ? memchr(line, '\n', (size_t)got) : NULL;
	} while (!end && got > before);
	size_t len = end ? (size_t)(end - line) + 1 : got > 0 ? (size_t)got : 0;
	if (len)
		ck_assert_int_eq((int)recv(fd, line, len, MSG_DONTWAIT), (int)len);
	line[end ? len - 1 : len] = '\0';
	return line;
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq((int)send(fd, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
}

static void expect(int fd, const char *part)
{
	const char *line = hear(fd);

	ck_assert_msg(strstr(line, part) != NULL, "'%s' has no '%s'", line, part);
}

static int client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	expect(fd, "{\"protocol\":1,\"usher\":\"");
	return fd;
}

/* usher-vmm gets an order of that kind. Return: the descriptor that came with it, -1. */
static struct wire_order order_hear(enum wire_order_kind kind, int *ret_fd)
{
	struct wire_order o;
	struct wire_fds fds;

	(void)settle();
	ck_assert_int_eq(wire_receive(vmm, &o, sizeof(o), &fds), 0);
	ck_assert_int_eq(wire_order_check(&o, fds.count), 0);
	ck_assert_uint_eq(o.order, kind);
	if (ret_fd)
		*ret_fd = fds.fds[0];
	else
		wire_close(&fds);
	return o;
}

static void order_answer(const struct wire_order *o, int result, const char *text)
{
	static struct wire_done done;

	done.header = (struct wire_header){.kind = WIRE_DONE, .id = o->header.id};
	done.result = result;
	done.length = (uint32_t)strlen(text);
	memcpy(done.text, text, done.length);
	ck_assert_int_eq(wire_send(vmm, &done, sizeof(done), NULL), 0);
}

#endif
