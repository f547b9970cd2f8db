/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_QUESTION_H
#define DAEMON_QUESTION_H

#include "daemon/kept.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * A request to a keeper over the connection that usherd has already. The keeper serves one request
 * after the other, so usherd does not wait, and needs no process that does.
 *
 * @answered is called once, later: with the keeper's answer and the descriptors that came with it,
 * of which the callee sets those to -1 that it keeps; with NULL if there was no answer.
 */
typedef void question_call(
	void *arg, const struct control_value *answer, int *fds, size_t fd_count);

/* Return: 0; -errno: @answered is not called. */
int question_send(struct kept *k, const char *command, question_call *answered, void *arg);

/* As recv(2) of what the keeper has sent, behind the bytes that are there. */
ssize_t question_receive(struct kept *k);

/* Return: whether the line is the answer to a question, which is over then. */
bool question_answer(struct kept *k, const struct control_value *v);

/* The connection is gone. */
void questions_end(struct kept *k);

#endif
