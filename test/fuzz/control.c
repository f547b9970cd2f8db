/* SPDX-License-Identifier: MIT */
/*
 * A request on a guest's control socket, which anybody may send who may connect: parsed alone, and
 * served by a keeper, in pieces and with more behind it. What comes back is lines of JSON.
 *
 * covers: src/control/request.c src/control/value.c src/control/line.c
 * covers: src/engine/control_client.c
 */
#include "base/err.h"
#include "control/line.h"
#include "control/request.h"
#include "control/value.h"
#include "engine/control_client.h"
#include "require.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const char *line, size_t len)
{
	struct control_request q;
	struct err e = {0};

	int r = control_request_parse(line, len, &q, &e);
	require(r <= 0, "what parsing returns");
	if (r < 0) {
		require(e.msg[0] && memchr(e.msg, '\0', sizeof(e.msg)), "a refusal has a sentence");
		return;
	}
	require(control_command_name(q.command)[0], "a command has a name");
	require(q.timeout_s <= CONTROL_TIMEOUT_MAX_S, "a timeout is bound");
	require(q.timeout_s == CONTROL_TIMEOUT_S || q.command == CONTROL_STOP ||
			q.command == CONTROL_DETACH,
		"only a stop and a detach have a timeout");
	const bool plugs = q.command == CONTROL_ATTACH || q.command == CONTROL_DETACH;
	require(!q.devices.count == !plugs, "a change has devices");
	require(q.devices.count <= CONTROL_DEVICES_MAX, "devices are bound");
	require(!q.allow.count || q.command == CONTROL_ATTACH, "only an attach skips checks");
	require(q.allow.count <= CONTROL_ALLOW_MAX, "checks are bound");
	for (size_t i = 0; i < q.devices.count; i++)
		require(memchr(q.devices.list[i], '\0', CONTROL_WORD_MAX) != NULL,
			"a device's name ends");
	require(!q.commands == (q.command != CONTROL_RESTRICT), "a restriction permits something");
	require(!q.force || q.command == CONTROL_STOP, "only a stop has force");
	require(!(q.read_only || q.stream) || q.command == CONTROL_CONSOLE,
		"only a console is a stream");
	require(!q.size || q.command == CONTROL_RESIZE || q.command == CONTROL_BALLOON,
		"a size is of a disk or of memory");
	require(q.size || q.command != CONTROL_BALLOON, "a balloon has a size");
	require(!q.card[0] == (q.command != CONTROL_LINK), "a link has a card");
	require(memchr(q.card, '\0', sizeof(q.card)) != NULL, "a card's name ends");
	require(!q.disk[0] == (q.command != CONTROL_RESIZE), "a resize has a disk");
	require(memchr(q.disk, '\0', sizeof(q.disk)) != NULL, "a disk's name ends");
	require(q.size <= INT64_MAX, "a size is a number of JSON");
	require(memchr(q.port, '\0', sizeof(q.port)) != NULL, "a port's name ends");
	require(!q.port[0] || q.command == CONTROL_CONSOLE, "only a console has ports");
}

/* A text that anybody chose goes into a line, and comes out of it, if it is UTF-8. */
static void check_line(const char *text)
{
	static char buf[8 * CONTROL_LINE_MAX];
	struct control_value *v = NULL;
	struct control_line l;

	control_line_begin(&l, buf, sizeof(buf));
	control_line_text(&l, "text", text);
	control_line_open(&l, "list", '[');
	control_line_text(&l, NULL, text);
	control_line_number(&l, NULL, INT64_MIN);
	control_line_close(&l, ']');
	size_t len = control_line_end(&l);
	if (!len)
		return;
	require(memchr(buf, '\n', len) == buf + len - 1, "a line has one newline");
	require(control_value_parse(buf, len, &v, NULL) == 0, "a line is JSON");
	require(control_value_text(v, "text") != NULL, "a text is one");
	control_value_free(v);
}

/* What is put comes out at the other end, with a descriptor or without. */
static void check_answer(struct control_client *c, int end, const char *line, size_t len)
{
	static char back[CONTROL_LINE_MAX];

	require(control_client_listens(c), "a client that reads is served");
	if (!len || !control_client_has_room(c, len))
		return;
	control_client_put(c, line, len, len & 1 ? dup(STDERR_FILENO) : -1);
	require(!control_client_listens(c), "an answer goes out before the next request");
	require(control_client_flush(c) == 0 && control_client_listens(c), "a socket takes a line");
	require(!c->give_count, "a descriptor goes with its answer");
	require(recv(end, back, sizeof(back), MSG_DONTWAIT) == (ssize_t)len, "an answer is whole");
	require(memcmp(back, line, len) == 0, "an answer is what was put");
}

/* The lines of a connection are what came, whatever pieces it came in. */
static void check_pieces(const uint8_t *data, size_t size, size_t step)
{
	struct control_client c;
	char line[CONTROL_LINE_MAX];
	size_t len, done = 0;
	int ends[2], r = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
		control_client_init(&c, ends[0]) < 0)
		return;
	for (size_t sent = 0; sent < size && r >= 0; sent += step) {
		size_t piece = size - sent < step ? size - sent : step;
		if (send(ends[1], data + sent, piece, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		r = control_client_read(&c);
		while (control_client_line(&c, line, &len)) {
			require(len < sizeof(line) && done + len < size, "a line is bound");
			require(memcmp(line, data + done, len) == 0 && data[done + len] == '\n',
				"a line is what came");
			done += len + 1;
			check_request(line, len);
			check_answer(&c, ends[1], line, len);
		}
		require(c.line_len <= sizeof(c.line), "what is kept is bound");
	}
	control_client_fini(&c);
	(void)close(ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 2 * CONTROL_LINE_MAX)
		return 0;
	char *text = malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	check_request(text, size - 1);
	check_line(text);
	check_pieces(data + 1, size - 1, 1 + data[0] % 64U * 16U);
	free(text);
	return 0;
}
