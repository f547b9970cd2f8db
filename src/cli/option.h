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
 *	int r = options_take(&o, bind_option, &arguments);
 *	if (r)
 *		return option_leave(r);
 *	… operands are argv[optind] and on
 *
 * Verbs whose options cannot be wrong loop over option_next() instead.
 */
struct options {
	const struct verb *verb;
	int argc;
	char **argv;
	const struct option *takes; /* ends with {0}; option_next() returns `val`, which is > 0 */
	const char *letters; /* short options as for getopt(3); NULL: none. "+…" stops at the
				     * first operand */
};

enum { OPTION_END = -1, OPTION_HELP = -2, OPTION_BAD = -3 };

/* Return: the option's `val`, OPTION_END, OPTION_HELP (help was printed), OPTION_BAD (reported). */
int option_next(struct options *o);

/*
 * Hands each option to @take (its `val`, and its own value or NULL) until that reports an error.
 * Return: 0 (operands begin at argv[optind]), the exit status that @take returned, OPTION_HELP,
 * OPTION_BAD.
 */
int options_take(struct options *o, int (*take)(void *arg, int c, const char *text), void *arg);

/* The exit status for OPTION_HELP, OPTION_BAD, or an exit status. */
int option_leave(int end);

/* Reports an error in the command line, with the verb's help as a hint. Return: LEAVE_USAGE. */
int option_wrong(const struct verb *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Opens the host of --host; NULL is the live host. Return: 0, or LEAVE_USAGE after a report. */
int option_host(const char *file, struct host **ret);

/*
 * Makes verbs without --host read @h; NULL ends this. `snapshot` runs the verbs on a recorder.
 * host_close() of the verb must not close @h.
 */
void option_replace_host(struct host *h);

/*
 * The table of a verb's options, and its short ones: runs the verb up to its first option_next(),
 * which ends it. NULL for a verb that calls none; do not ask verb_compat.
 */
const struct option *option_table(const struct verb *v, const char **ret_letters);

void option_help(const struct verb *v);

#endif
