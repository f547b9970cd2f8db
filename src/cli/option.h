/* SPDX-License-Identifier: MIT */
#ifndef CLI_OPTION_H
#define CLI_OPTION_H

#include "cli/verb.h"

#include <getopt.h>

struct host;

/*
 * The options of one verb over getopt_long(3), with sentences of our own. --help is answered
 * here for every verb.
 *
 *	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
 *	while ((c = option_next(&o)) > 0)
 *		switch (c) …                       the option's own value is in optarg
 *	if (c != OPTION_END)
 *		return option_leave(c);
 *	… operands are argv[optind] and on
 */
struct options {
	const struct verb *verb;
	int argc;
	char **argv;
	const struct option *takes; /* ends with {0}; `val` is what option_next() returns, > 0 */
	const char *letters; /* short options as for getopt(3); NULL: none. "+…" stops at the
				     * first operand */
};

enum { OPTION_END = -1, OPTION_HELP = -2, OPTION_BAD = -3 };

/* Return: the option's `val`, OPTION_END, OPTION_HELP (help is printed), OPTION_BAD (told). */
int option_next(struct options *o);

/* The exit status when option_next() ended with OPTION_HELP or OPTION_BAD. */
int option_leave(int end);

/* Tells what is wrong with the command line, points at the verb's help. Return: LEAVE_USAGE. */
int option_wrong(const struct verb *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* For --host: NULL is the live machine. Return: 0, or LEAVE_FAILED with the reason told. */
int option_host(const char *file, struct host **ret);

/*
 * Verbs without --host read @h from now on, until NULL: `snapshot` runs them over a recorder. Their
 * host_close() must leave it alone.
 */
void option_replace_host(struct host *h);

void option_help(const struct verb *v);

#endif
