/* SPDX-License-Identifier: MIT */
#ifndef CLI_STOPPING_H
#define CLI_STOPPING_H

#include <stdbool.h>
#include <stdint.h>

struct verb;

/* The options of verbs that end what runs: how long to wait, and what to say. */
struct stop_words {
	const struct verb *verb;
	bool force, no_wait, quiet;
	uint64_t timeout_s;
};

/* For the table of the verb's options: those of them that the verb has. */
enum { STOP_FORCE = 1, STOP_TIMEOUT, STOP_NO_WAIT, STOP_QUIET };

/* options_take(); @arg: struct stop_words. */
int stop_option(void *arg, int c, const char *text);

#endif
