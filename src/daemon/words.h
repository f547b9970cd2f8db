/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_WORDS_H
#define DAEMON_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* A command line of `usher`, in memory of its own. */
#define WORDS_MAX 64

struct words {
	size_t count, used;
	char *list[WORDS_MAX]; /* NULL-terminated */
	char text[2560];
};

/* Empty it first. Return: whether there was room. */
bool word_add(struct words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
