/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_TEXT_H
#define DAEMON_TEXT_H

#include <stddef.h>
#include <systemd/sd-bus.h>

/*
 * Text for the bus, which takes UTF-8 only. sd-bus sends no answer with anything else, and the
 * caller waits in vain. A word of a user, of the kernel or of a job may be none, or is none when it
 * is cut.
 */

/* Puts a '?' in place of each byte that is no part of a character, and of each NUL. */
void text_clean(char *text, size_t len);

/* Return: @len without the begin of a character at its end. */
size_t text_whole(const char *text, size_t len);

/* As much of @text as there is room for, cleaned. */
void text_copy(char *buf, size_t size, const char *text, size_t len);

/* As sd_bus_error_setf(3). Return: a negative number, for a method to return. */
int text_refuse(sd_bus_error *error, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As sd_bus_reply_method_errorf(3). */
void text_reply(sd_bus_message *m, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
