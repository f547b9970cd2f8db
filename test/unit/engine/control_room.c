/* SPDX-License-Identifier: MIT */
/* What a keeper's connection serves: this process is its client, too. */
#include "engine/control_room.h"

#include "base/num.h"
#include "suite.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct control_client client;
static int end; /* the client's */

/* Sends a request. Return: 1 it is served, with its command in *@ret; 0 it was answered. */
static int request_send(const char *line, enum control_command *ret)
{
	struct control_request q = {.command = (enum control_command)0};

	ck_assert_int_eq((int)send(end, line, strlen(line), MSG_NOSIGNAL), (int)strlen(line));
	int r = control_room_request(&client, POLLIN, &q);
	*ret = q.command;
	return r;
}

/* The line that answers a request which is not served. */
static const char *answer_of(const char *request)
{
	static char text[1024];
	enum control_command command;

	ck_assert_int_eq(request_send(request, &command), 0);
	ck_assert_int_eq(control_client_flush(&client), 0);
	ssize_t len = recv(end, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[len < 0 ? 0 : len] = '\0';
	return text;
}

static void expect_served(const char *request, enum control_command expected)
{
	enum control_command command;

	ck_assert_int_eq(request_send(request, &command), 1);
	ck_assert_int_eq(command, expected);
}

static void expect_answer(const char *request, const char *part)
{
	const char *answer = answer_of(request);

	ck_assert_msg(strstr(answer, part) != NULL, "'%s' has no '%s'", answer, part);
}

/* usherd limits a connection before it passes it on; nobody lifts that. */
START_TEST(a_connection_serves_less)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(control_client_init(&client, ends[0]), 0);
	end = ends[1];
	expect_served("{\"command\":\"stop\"}\n", CONTROL_STOP);
	expect_answer("{\"id\":7,\"command\":\"restrict\",\"to\":[\"state\",\"pause\"]}\n",
		"{\"id\":7,\"ok\":true}\n");
	expect_served("{\"command\":\"state\"}\n", CONTROL_STATE);
	expect_answer("{\"command\":\"stop\",\"force\":true}\n",
		"\"EPERM\",\"message\":\"this connection does not serve 'stop'\"");
	expect_answer("{\"command\":\"restrict\",\"to\":[\"stop\"]}\n", "none of these commands");
	expect_served("{\"command\":\"pause\"}\n", CONTROL_PAUSE);
	expect_answer("{\"command\":\"restrict\",\"to\":[\"state\",\"stop\"]}\n", "\"ok\":true");
	expect_answer("{\"command\":\"pause\"}\n", "does not serve 'pause'");
	expect_answer("{\"command\":\"stop\"}\n", "does not serve 'stop'");
	expect_served("{\"command\":\"state\"}\n", CONTROL_STATE);
	control_client_fini(&client);
	(void)close(end);
}
END_TEST

/* A client connects to the room's socket @fd. Return: the client's end. */
static int room_enter(int fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(address);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	int entered = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(entered, 0);
	ck_assert_int_eq(connect(entered, (const struct sockaddr *)&address, len), 0);
	return entered;
}

/* A user who may only look opens as many connections as there are: root still gets one. */
START_TEST(strangers_keep_nobody_out)
{
	struct control_client list[2];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t count = 0;
	bool deaf = false;
	int ends[4];

	/* A name of the kernel's choice, in no file system. Ref: unix(7), autobind */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	for (size_t i = 0; i < 2; i++) {
		ends[i] = room_enter(fd);
		struct control_client *c = control_room_accept(fd, list, &count, 2, &deaf);
		ck_assert_ptr_nonnull(c);
		c->commands = i ? 1 : 0;
	}
	ends[2] = room_enter(fd);
	ck_assert_ptr_nonnull(control_room_accept(fd, list, &count, 2, &deaf));
	ck_assert_uint_eq(count, 2);
	ck_assert(!list[0].commands && !list[1].commands);
	ends[3] = room_enter(fd);
	ck_assert_ptr_null(control_room_accept(fd, list, &count, 2, &deaf));
	ck_assert_uint_eq(count, 2);
	while (count)
		control_client_fini(&list[--count]);
	for (size_t i = 0; i < COUNT(ends); i++)
		(void)close(ends[i]);
	(void)close(fd);
}
END_TEST

SUITE("control_room", a_connection_serves_less, strangers_keep_nobody_out)
