/* SPDX-License-Identifier: MIT */
#ifndef CLI_LOAN_H
#define CLI_LOAN_H

#include "cli/option.h"
#include "engine/keeper.h"

#include <stdbool.h>
#include <stddef.h>

/* What `run` and `exec` have in common: both have a keeper lend devices. */

#define LOAN_OURS 125 /* exit status of a failure that is usher's own, as for env(1) */
#define LOAN_ALLOW_MAX 32

struct loan_words {
	const struct verb *verb;
	struct guest_spec spec;
	const char *devices[SPEC_DEVICES_MAX]; /* of --device, until loan_open() finds them */
	size_t device_count;
	const char *file; /* of --host; NULL: this host */
	struct host *host;
	const char *allow[LOAN_ALLOW_MAX];
	size_t allow_count;
	bool borrows; /* usherd lends the devices: see lend.h */
	bool plan; /* print it, and do nothing */
	bool quiet;
};

enum { LOAN_DEVICE = 0x100, LOAN_ALLOW, LOAN_ENV, LOAN_PLAN, LOAN_HOST, LOAN_QUIET };

/* For the table of a verb's options; loan_option() takes these. */
#define LOAN_OPTIONS                                                                               \
	{"device", required_argument, NULL, LOAN_DEVICE},                                          \
		{"allow", required_argument, NULL, LOAN_ALLOW},                                    \
		{"env", required_argument, NULL, LOAN_ENV},                                        \
		{"plan", no_argument, NULL, LOAN_PLAN}, {"dry-run", no_argument, NULL, LOAN_PLAN}, \
		{"host", required_argument, NULL, LOAN_HOST},                                      \
	{                                                                                          \
		"quiet", no_argument, NULL, LOAN_QUIET                                             \
	}

/* Return: 0, or an exit status with the reason told. */
int loan_option(struct loan_words *w, int c, const char *text);

/*
 * Opens the host of --host, which needs --plan, and finds the devices there. loan_close() either
 * way. Return: 0, or an exit status with the reason told.
 */
int loan_open(struct loan_words *w);
void loan_close(struct loan_words *w);

/* The one device that @word means. Return: 0, or an exit status with the reason told. */
int loan_device(struct loan_words *w, const char *word, struct pci_address *ret);

/* The folder of the loan's name and log. Static. */
const char *loan_run_dir(const struct loan_words *w);

/* The keeper for these words; the engine and @tell are the caller's to add. */
struct keeper loan_keeper(struct loan_words *w);

/*
 * Prints news on stderr, for stdout is the guest's or the program's. What only one of the two verbs
 * prints (KEEPER_STARTED, _STOPPING, _ENDED, _WIPED) it leaves out.
 */
void loan_print(const struct loan_words *w, const struct keeper_news *n);

/* The exit status after keeper_run() has returned @r. */
int loan_leave(int r, const struct keeper_end *end);

#endif
