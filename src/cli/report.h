/* SPDX-License-Identifier: MIT */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>

struct bind_plan;
struct err;

/*
 * Writes an error to stderr: "usher: " and the message, then "hint: " and the hint if there is one.
 * Control bytes are escaped.
 */
void report(const struct err *e);

/*
 * What report() would write goes to *@ret instead: the caller knows better where the fault is. NULL
 * ends this. Return: what it was before, for the next call.
 */
struct err *report_catch(struct err *ret);

/* Writes one line to stderr that is not an error. */
void report_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Writes each problem of a plan to stderr, with its fix. */
void report_problems(const struct bind_plan *p);

/*
 * How a verb ends that returned @r: reports @e unless usher refused, which the caller has reported.
 * Return: exit status.
 */
int report_outcome(int r, bool refused, const struct err *e);

/*
 * Called first: each line on stderr is one write(2), so lines of several processes do not mix.
 */
void report_lines(void);

/*
 * Called last; it also ends a change (cli/change.h). A full disk or a closed pipe is not a success,
 * nor is a closed standard output, unless the verb has changed the machine: then it did its work.
 * Return: @status, or @failed (0: LEAVE_FAILED) instead of 0 if standard output could not be
 * written completely.
 */
int report_finish(int status, int failed);

#endif
