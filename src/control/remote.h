/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_REMOTE_H
#define CONTROL_REMOTE_H

#include <stdbool.h>
#include <stddef.h>

struct err;

/*
 * Verbs that usherd runs as root for ordinary users, with the words that they may have: no path of
 * a file is among them, because root would open it. `usher` and usherd read the same table, so a
 * client does not ask for what the service refuses.
 */
#define REMOTE_WORDS_MAX 40
#define REMOTE_TEXT_MAX 1536 /* [bytes] of all words */

enum remote_operands {
	REMOTE_NONE,
	REMOTE_DEVICES, /* addresses */
	REMOTE_DEVICE_COUNT, /* one address, and perhaps a number */
	REMOTE_CLAIMS, /* addresses, or names of claims */
	REMOTE_GUEST, /* a name */
	REMOTE_GUEST_DEVICES, /* a name, then addresses */
	REMOTE_DEVICE_FILE, /* one address, and perhaps a file: "-", or the memory of the caller */
	REMOTE_OUTPUT, /* "-" */
};

struct remote_verb {
	const char *name;
	const char *action; /* of polkit: org.usher.Usher1.ACTION */
	enum remote_operands operands;
	size_t least; /* how many operands it needs */
	size_t most; /* 0: any number */
	bool reads; /* an ordinary user may run it without usherd, and sees less */
	const char *options; /* " json timeout= from=bar ": a '=' if it has a value, any or that */
	/*
	 * Those that weaken a check, load a module by its name, or act for others: usherd asks for
	 * "override" in addition.
	 */
	const char *overrides;
};

/* Return: NULL if usherd does not run @name. */
const struct remote_verb *remote_find(const char *name);

/* What the words behind a verb mean. */
struct remote_words {
	size_t operand_count;
	size_t operands[REMOTE_WORDS_MAX]; /* indices of words */
	bool overrides;
};

/*
 * Sorts @words into options and operands, as getopt_long(3) does, but without abbreviations.
 * Return: 0; -EINVAL with the word that the service does not take; -E2BIG too many.
 */
int remote_sort(const struct remote_verb *v, size_t count, const char *const *words,
	struct remote_words *ret, struct err *e);

/* Whether operand @i of a verb is to be the address of a device. */
bool remote_is_device(const struct remote_verb *v, size_t i);

#endif
