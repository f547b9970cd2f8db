/* SPDX-License-Identifier: MIT */
#ifndef CLI_HANDOVER_H
#define CLI_HANDOVER_H

#include "desktop/plan.h"
#include "engine/keeper.h"

#include <stdbool.h>
#include <stdio.h>

struct json;
struct verb;

#define HANDOVER_TEXT 512

/* --display-handover[=unit=UNIT,timeout=SECONDS]: the guest gets the host's only display. */
struct handover_words {
	bool is_asked;
	char text[HANDOVER_TEXT]; /* which the request's units lie in */
	struct desktop_request request;
	int terminal_fd; /* of the command that started it; -1: none */
};

#define HANDOVER_WORDS \
	((struct handover_words){.request.alive_s = DESKTOP_ALIVE_S, .terminal_fd = -1})

/* @text: NULL without a value. Return: 0, or an exit status with the reason told. */
int handover_take(struct handover_words *w, const struct verb *v, const char *text);

/*
 * Plans the run with the hand-over: as keeper_plan(), but what the desktop has in use is judged by
 * whether it ends with the desktop. @ret: bind_plan_fini(). Return: 0, -ENOMEM, -errno.
 */
int handover_plan(const struct keeper *k, const struct handover_words *w,
	const struct bind_request *q, struct desktop_plan *d, struct bind_plan *ret, struct err *e);

/* What will be stopped, and what does not come back; in a plan, and before a run. */
void handover_print(FILE *to, const struct desktop_plan *d);
/* The key "handover"; NULL: null. */
void handover_put(struct json *doc, const struct desktop_plan *d);

/*
 * Before the run leaves the terminal: refuses what the plan refuses, and prints the plan.
 * Return: 0, or an exit status with the reason told.
 */
int handover_check(const struct keeper *k, struct handover_words *w, bool quiet);

/*
 * In a process of its own: hands the display over, has a child run @guest by @k, and brings the
 * desktop back. Return: exit status.
 */
int handover_run(const struct keeper *k, const struct handover_words *w,
	int (*guest)(const struct keeper *k));

#endif
