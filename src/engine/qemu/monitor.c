/* SPDX-License-Identifier: MIT */
#include "engine/qemu/monitor.h"

#include "base/clock.h"
#include "control/value.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Return: 1 a line is there, 0 it is not yet, -errno. */
static int line_read(struct monitor *m, int64_t end_ms)
{
	struct pollfd f = {.fd = m->qmp, .events = POLLIN};
	const int64_t left = end_ms - clock_ms();

	if (memchr(m->line, '\n', m->used))
		return 1;
	if (m->used == sizeof(m->line))
		return -EPROTO;
	if (left <= 0 || poll(&f, 1, (int)left) == 0)
		return -ETIMEDOUT;
	ssize_t n = read(m->qmp, m->line + m->used, sizeof(m->line) - m->used);
	if (n <= 0)
		return n == 0 ? -EPIPE : errno == EINTR ? 0 : -errno;
	m->used += (size_t)n;
	return 0;
}

/* @ret: the next message of QEMU. */
static int message_read(struct monitor *m, int64_t end_ms, struct control_value **ret)
{
	int r;

	do
		r = line_read(m, end_ms);
	while (r == 0);
	if (r < 0)
		return r;
	const size_t len = (size_t)((char *)memchr(m->line, '\n', m->used) - m->line);
	r = control_value_parse(m->line, len, ret, NULL);
	m->used -= len + 1;
	memmove(m->line, m->line + len + 1, m->used);
	return r == -EINVAL ? -EPROTO : r;
}

/* Events, the greeting and late answers come between. Return: 1 it is the answer, 0, -errno. */
static int answer_judge(struct monitor *m, const struct control_value *v, uint64_t id)
{
	const struct control_value *error = control_value_member(v, "error");
	const char *why = control_value_text(error, "desc");
	int64_t of;

	if (!control_value_number(v, "id", &of) || of != (int64_t)id)
		return 0;
	if (error) {
		const char *class = control_value_text(error, "class");
		(void)snprintf(m->refusal, sizeof(m->refusal), "%s", why ? why : "");
		return class && strcmp(class, "DeviceNotFound") == 0 ? -ENODEV : -EREMOTEIO;
	}
	return control_value_member(v, "return") ? 1 : -EPROTO;
}

static int answer_await(struct monitor *m, uint64_t id, int64_t end_ms, struct control_value **ret)
{
	struct control_value *v = NULL;
	int r = 0;

	while (r == 0) {
		r = message_read(m, end_ms, &v);
		if (r == 0)
			r = answer_judge(m, v, id);
		if (r == 1 && ret)
			*ret = v;
		else
			control_value_free(v);
		v = NULL;
	}
	return r == 1 ? 0 : r;
}

/* A QEMU that hangs reads nothing: once its socket is full, a write would wait without end. */
static int text_send(struct monitor *m, const char *text, size_t len, int64_t end_ms)
{
	struct pollfd f = {.fd = m->qmp, .events = POLLOUT};

	while (len) {
		const int64_t left = end_ms - clock_ms();
		const ssize_t n = send(m->qmp, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0 && left <= 0)
			return -ETIMEDOUT;
		if (n < 0)
			(void)poll(&f, 1, (int)left);
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int command_send(struct monitor *m, const char *command, struct control_value **ret)
{
	const int64_t end_ms = clock_ms() + (m->wait_ms ? m->wait_ms : MONITOR_WAIT_MS);
	const uint64_t id = ++m->next_id;
	char text[512];

	/* "{…}" becomes "{…,"id":N}". */
	const size_t len = strlen(command) - 1;
	int n = snprintf(text, sizeof(text), "%.*s,\"id\":%" PRIu64 "}\n", (int)len, command, id);
	if (n < 0 || (size_t)n >= sizeof(text))
		return -E2BIG;
	int r = text_send(m, text, (size_t)n, end_ms);
	return r < 0 ? r : answer_await(m, id, end_ms, ret);
}

int monitor_ask(struct monitor *m, const char *command, struct control_value **ret)
{
	int r = m->greeted ? 0 : command_send(m, "{\"execute\":\"qmp_capabilities\"}", NULL);

	m->greeted |= r == 0;
	return r < 0 ? r : command_send(m, command, ret);
}
