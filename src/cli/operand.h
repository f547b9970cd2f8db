/* SPDX-License-Identifier: MIT */
#ifndef CLI_OPERAND_H
#define CLI_OPERAND_H

#include "cli/verb.h"
#include "pci/address.h"

#include <stddef.h>

struct host;

/* The devices that a verb is to show, and the host that has them. */
struct operands {
	struct host *host;
	struct pci_address *addresses;
	size_t count;
};

/*
 * Opens the host (@file: a snapshot, NULL: this one), and resolves @words: addresses, interfaces,
 * disks. operands_close() either way. Return: 0; after a report LEAVE_FAILED, LEAVE_USAGE.
 */
int operands_open(
	struct operands *o, const struct verb *v, const char *file, int count, char **words);
void operands_close(struct operands *o);

#endif
