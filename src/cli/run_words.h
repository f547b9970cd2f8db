/* SPDX-License-Identifier: MIT */
#ifndef CLI_RUN_WORDS_H
#define CLI_RUN_WORDS_H

#include "bind/bind.h"
#include "cli/guestwords.h"
#include "cli/handover.h"
#include "cli/loan.h"
#include "engine/files.h"

#include <stdbool.h>
#include <stddef.h>

struct engine;

/* The options of `usher run` and `usher start`, from the command line and from a guest file. */

#define RUN_TRACE_MAX 32

struct run_words {
	struct loan_words loan;
	struct guest_files files;
	const struct engine *engine;
	const char *trace[RUN_TRACE_MAX];
	size_t trace_count;
	enum bind_return how;
	struct handover_words handover;
	bool json;
	bool detach;
	bool print_config;
	bool is_saved; /* the operand names a saved guest */
	const char *save; /* the name to save the guest by; NULL */
	const char *at_boot; /* whether to start the saved guest at each boot: "yes", "no"; NULL */
	struct guest_words words;
	const char *operand; /* a guest file, or the name of a saved guest; NULL */
};

/*
 * Collects the options of a command line and its operand. Return: 0, or an exit status; it is the
 * verb's if *@ret_end is not OPTION_END (help was printed). words_free() in any case.
 */
int run_words_collect(struct run_words *w, int argc, char **argv, int *ret_end);

/*
 * Takes the options of the guest file at @path (NULL: none), then those of the command line.
 * @arguments: what stands behind "--". Return: 0, or an exit status with the reason told.
 */
int run_words_take(struct run_words *w, const char *path, char *const *arguments);

/* `usher run`, and with @is_saved `usher start`. Return: exit status. */
int run_verb(const struct verb *v, int argc, char **argv, bool is_saved);

/* Whether a saved guest file gives the guest no other name. Return: 0, or an exit status. */
int run_words_check_name(const struct run_words *w, const char *name);

/*
 * Whether @text is that of a guest file, which is to be saved as @name at @path.
 * Return: 0, or an exit status with the reason told.
 */
int run_words_check(
	const struct verb *v, const char *path, const char *name, const char *text, size_t len);

#endif
