/* SPDX-License-Identifier: MIT */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

struct bind_plan;
struct err;

/*
 * Tells on stderr why something failed: "usher: " and the message, then "hint: " and the hint
 * when there is one. What a device or a process may have put into it is escaped.
 */
void report(const struct err *e);

/* One plain line on stderr, for what is worth knowing and no failure. */
void report_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Each problem of a plan on stderr, with what to do about it. */
void report_problems(const struct bind_plan *p);

/*
 * The last word of a program: a full disk or a closed pipe must not pass for success.
 * Return: @status, or 1 in its place when not all of standard output could be written.
 */
int report_finish(int status);

#endif
