/* SPDX-License-Identifier: MIT */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include <stdbool.h>
#include <stddef.h>

struct err;

/* Where each option of `usher run` stands in a guest file, usher-guest(5). */

enum place_kind {
	PLACE_NOWHERE, /* it is about the command, not about the guest */
	PLACE_KEY, /* a key of [guest], once */
	PLACE_KEYS, /* a key of [guest] that may be repeated */
	PLACE_SECTION, /* a section for each: its value is FIRST[,KEY[=VALUE]]… */
};

struct place {
	const char *option; /* its long name */
	enum place_kind kind;
	const char *first; /* of a section: the key whose value is FIRST; NULL: FIRST is a key */
	const char *heads; /* then: the keys that may be FIRST, separated by blanks */
	const char *repeated; /* of a section: keys that may be repeated, likewise */
	const char *paths; /* keys of the value that have paths, likewise */
	const char
		*flags; /* of a section: words of the option that may be "yes" or "no" in a file */
	bool path; /* of a key: its value is a path */
	const char *plain; /* words that stand in place of a path, likewise */
};

/* The section with the keys of the guest as a whole, and the one with QEMU's own words. */
#define PLACE_GUEST "guest"
#define PLACE_QEMU "qemu"
#define PLACE_QEMU_KEY "argument"

/* Return: NULL if the table has no row for --@option; a test fails then. */
const struct place *place_find(const char *option);
/* For tests and messages; NULL after the last. */
const struct place *place_at(size_t i);

/* Whether @word, of @len bytes, is one of @words, which blanks separate; NULL has none. */
bool place_has_word(const char *words, const char *word, size_t len);

/*
 * @text, the value of the option, with @folder in front of each relative path; "" changes nothing.
 * *@ret is the caller's to free(). Return: 0, -ENOMEM.
 */
int place_rebase(const struct place *p, const char *text, const char *folder, char **ret);

/* Checks that a key of the value of --@p->option stands once. Return: 0, -EINVAL. */
int place_check(const struct place *p, const char *text, struct err *e);

#endif
