/* SPDX-License-Identifier: MIT */
#include "daemon/question.h"

#include "base/fd.h"
#include "control/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A keeper that lends does nothing else; a borrower waits. */
#define ANSWER_US (5 * UINT64_C(1000000))

struct question {
	struct question *next;
	struct kept *kept;
	int64_t id;
	sd_event_source *timer;
	question_call *answered;
	void *arg;
};

static void given_close(struct kept *k)
{
	while (k->given_count)
		fd_close(&k->given[--k->given_count]);
}

/* Calls and frees the question at *@at. */
static void question_end(
	struct question **at, const struct control_value *v, int *fds, size_t fd_count)
{
	struct question *q = *at;

	*at = q->next;
	(void)sd_event_source_disable_unref(q->timer);
	q->answered(q->arg, v, fds, fd_count);
	free(q);
}

/* An answer that comes later is none to any question. */
static int on_late(sd_event_source *source, uint64_t us, void *arg)
{
	struct question *q = arg, **at = &q->kept->questions;

	while (*at && *at != q)
		at = &(*at)->next;
	if (*at)
		question_end(at, NULL, NULL, 0);
	return 0;
}

int question_send(struct kept *k, const char *command, question_call *answered, void *arg)
{
	struct question *q = calloc(1, sizeof(*q));
	char line[128];

	if (!q)
		return -ENOMEM;
	*q = (struct question){
		.kept = k, .id = ++k->question_last, .answered = answered, .arg = arg};
	int len = snprintf(
		line, sizeof(line), "{\"id\":%" PRId64 ",\"command\":\"%s\"}\n", q->id, command);
	int r = sd_event_add_time_relative(
		k->daemon->event, &q->timer, CLOCK_MONOTONIC, ANSWER_US, 0, on_late, q);
	/* A keeper that does not take this has more than it can do, and answers nobody. */
	if (r >= 0 && send(k->fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) != len)
		r = -EAGAIN;
	if (r < 0) {
		(void)sd_event_source_disable_unref(q->timer);
		free(q);
		return r;
	}
	q->next = k->questions;
	k->questions = q;
	return 0;
}

/* Nobody asks twice before the first answer is here but by a question of its own. */
static void given_take(struct kept *k, struct msghdr *m)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	given_close(k);
	k->given_count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(k->given, CMSG_DATA(c), k->given_count * sizeof(int));
}

ssize_t question_receive(struct kept *k)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(CONTROL_GIVEN_MAX * sizeof(int))];
	} control;
	struct iovec part = {.iov_base = k->line + k->len, .iov_len = KEPT_LINE_ROOM - k->len};
	struct msghdr m = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};

	ssize_t got = recvmsg(k->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got > 0)
		given_take(k, &m);
	return got;
}

bool question_answer(struct kept *k, const struct control_value *v)
{
	struct question **at = &k->questions;
	int64_t id;

	if (!control_value_number(v, "id", &id))
		return false;
	while (*at && (*at)->id != id)
		at = &(*at)->next;
	if (*at)
		question_end(at, v, k->given, k->given_count);
	given_close(k);
	return true;
}

void questions_end(struct kept *k)
{
	while (k->questions)
		question_end(&k->questions, NULL, NULL, 0);
	given_close(k);
}
