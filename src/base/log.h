/* SPDX-License-Identifier: MIT */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One line to stderr: level, subject (an address, a guest's name), text. Only programs log;
 * libraries return a struct err. A line that a guest can cause goes through log_guest().
 */
enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level); /* default: LOG_LEVEL_INFO */

/*
 * Sends lines to @output instead of stderr, which may block; NULL: to stderr again. Context: no
 * other thread logs meanwhile. Afterwards any thread may call @output.
 */
void log_set_output(void (*output)(void *ctx, const char *text, size_t len), void *ctx);

/* Writes @text, whole lines, unchanged to where log lines go. */
void log_text(const char *text, size_t len);

void log_line(enum log_level level, const char *subject, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(subject, ...) log_line(LOG_LEVEL_ERR, subject, __VA_ARGS__)
#define log_warn(subject, ...) log_line(LOG_LEVEL_WARN, subject, __VA_ARGS__)
#define log_info(subject, ...) log_line(LOG_LEVEL_INFO, subject, __VA_ARGS__)
#define log_debug(subject, ...) log_line(LOG_LEVEL_DEBUG, subject, __VA_ARGS__)

/*
 * All misdeeds of a guest are counted, but only the first few are logged: a guest must not be able
 * to fill the host's disk. One struct for each kind of misdeed, zero-initialised.
 */
#define LOG_GUEST_LINES 8 /* later ones are only counted */

struct log_guest {
	uint64_t count;
};

/* Counts one more. Return: true while it is to be logged. Context: any thread. */
bool log_guest_tell(struct log_guest *g);

#define log_guest(g, subject, ...)                                      \
	do {                                                            \
		if (log_guest_tell(g))                                  \
			log_line(LOG_LEVEL_WARN, subject, __VA_ARGS__); \
	} while (0)

#endif
