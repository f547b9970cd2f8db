/* SPDX-License-Identifier: MIT */
#include "engine/qemu/monitor.h"

#include "base/clock.h"
#include "base/fd.h"
#include "control/value.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
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
		(void)snprintf(m->refusal, sizeof(m->refusal), "%s", why ? why : "");
		return -EREMOTEIO;
	}
	return control_value_member(v, "return") ? 1 : -EPROTO;
}

static int answer_await(struct monitor *m, uint64_t id, struct control_value **ret)
{
	const int64_t end_ms = clock_ms() + (m->wait_ms ? m->wait_ms : MONITOR_WAIT_MS);
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

static int command_send(struct monitor *m, const char *command, struct control_value **ret)
{
	const uint64_t id = ++m->next_id;
	char text[512];

	/* "{…}" becomes "{…,"id":N}". */
	const size_t len = strlen(command) - 1;
	int n = snprintf(text, sizeof(text), "%.*s,\"id\":%" PRIu64 "}\n", (int)len, command, id);
	if (n < 0 || (size_t)n >= sizeof(text))
		return -E2BIG;
	int r = fd_write_full(m->qmp, text, (size_t)n);
	return r < 0 ? r : answer_await(m, id, ret);
}

int monitor_ask(struct monitor *m, const char *command, struct control_value **ret)
{
	int r = m->greeted ? 0 : command_send(m, "{\"execute\":\"qmp_capabilities\"}", NULL);

	m->greeted |= r == 0;
	return r < 0 ? r : command_send(m, command, ret);
}
