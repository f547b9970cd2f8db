/* SPDX-License-Identifier: MIT */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * Why something failed, in words. The caller owns it; it holds no memory of its own.
 *
 * Functions return 0 (or more) on success and -errno on failure. Public ones also take a
 * `struct err *`, which may be NULL, and write there what failed: subject, action, object, reason;
 * in lower case, without a full stop, values in single quotes. The hint is apart from the reason:
 * one command or one fact that helps.
 *
 *	if (fd < 0)
 *		return err_set(e, -errno, "open %s", path);     first cause; strerror is appended
 *	if (r < 0)
 *		return err_in(e, r, "%s", address);             puts "0000:03:00.0: " in front
 */
struct err {
	int code; /* -errno; 0: nothing failed */
	char msg[480];
	unsigned reserved[8]; /* zero: room that libusher's callers have (usher/err.h) */
	char hint[320];
};

/* Writes the text, appends strerror(-@code), clears the hint. Return: @code. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same for a text that already holds the reason: appends nothing. Return: @code. */
int err_say(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "text: " in front of the present text. Return: @code. */
int err_in(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Sets the hint: what to do next, in one sentence. */
void err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
