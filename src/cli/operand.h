/* SPDX-License-Identifier: MIT */
#ifndef CLI_OPERAND_H
#define CLI_OPERAND_H

#include "cli/verb.h"
#include "pci/address.h"

#include <stdbool.h>
#include <stddef.h>

struct host;

/* The devices that a verb is to show, and the host that has them. */
struct operands {
	struct host *host;
	struct pci_address *addresses;
	size_t count;
};

/*
 * Opens the host (@file: a snapshot, NULL: this one), and finds all devices that @words mean
 * (view/word.h). operands_close() either way.
 * Return: 0; after a report LEAVE_FAILED: there is none, LEAVE_USAGE.
 */
int operands_open(
	struct operands *o, const struct verb *v, const char *file, int count, char **words);
void operands_close(struct operands *o);

/* The options of a verb that shows one device, besides its own. */
struct operand_words {
	const char *host; /* a snapshot; NULL: this host */
	bool json, numeric;
};

/* For the table of the verb's options. */
enum { OPERAND_NUMERIC = 0x200, OPERAND_JSON, OPERAND_HOST };

/* Takes one of these. */
void operand_option(struct operand_words *w, int c, const char *text);

/*
 * Opens the host and the one device that @word means, and calls @show. Return: its status; as
 * operands_open().
 */
int operand_show(const struct verb *v, const char *host, char *word,
	int (*show)(void *arg, const struct operands *o), void *arg);

/*
 * Finds the one device that @word means, for a verb that acts on it. A word that means several is
 * refused with their list, and so is one that means a USB device, whose controller has others.
 * Whether an address exists is left to the verb.
 * Return: 0; after a report LEAVE_FAILED: there is none, LEAVE_USAGE.
 */
int operand_one(const struct verb *v, struct host *h, const char *word, struct pci_address *ret);

#endif
