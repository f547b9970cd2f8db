/* SPDX-License-Identifier: MIT */
/* What a keeper's connection serves: this process is its client, too. */
#include "engine/control_room.h"

#include "suite.h"

#include <poll.h>
#include <sys/socket.h>
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

SUITE("control_room", a_connection_serves_less)
