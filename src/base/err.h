/* SPDX-License-Identifier: MIT */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * Why something failed, in words, owned by the caller and without memory of its own.
 *
 * Functions return 0 (or more) on success and -errno on failure. Those on a module's border
 * also take a `struct err *`, which may be NULL, and say there what they could not do:
 * subject, action, object, reason; lower case, no full stop, values quoted 'so'.
 * A hint is kept apart from the fact: one command or one fact that helps.
 *
 *	if (fd < 0)
 *		return err_set(e, -errno, "open %s", path);     first cause; strerror is appended
 *	if (r < 0)
 *		return err_in(e, r, "%s", address);             puts "0000:03:00.0: " in front
 */
struct err {
	int code; /* -errno, 0 while nothing failed */
	char msg[512];
	char hint[320];
};

/* First cause: writes the text, appends strerror(-code), clears the hint. Return: @code. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* First cause whose text already holds the reason: nothing is appended. Return: @code. */
int err_say(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "text: " in front of what is there already. Return: @code. */
int err_in(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* What to do next, one sentence. */
void err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
