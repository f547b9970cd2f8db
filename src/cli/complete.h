/* SPDX-License-Identifier: MIT */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H

#include "cli/verb.h"

/* What a word of the command line may be. */
enum complete_value {
	COMPLETE_UNKNOWN, /* no row in the tables below: a test fails */
	COMPLETE_NOTHING, /* a number, a size, free text */
	COMPLETE_FILE, /* the shell completes it */
	COMPLETE_SNAPSHOT, /* likewise: files and folders, those that end in .host first */
	COMPLETE_COMMAND, /* likewise: a program */
	COMPLETE_DEVICE, /* addresses, interfaces, disks, cards */
	COMPLETE_ADDRESS, /* addresses of devices */
	COMPLETE_TAKEN, /* those of devices on a VFIO driver */
	COMPLETE_PHYSICAL, /* those of devices with virtual functions */
	COMPLETE_CLAIM, /* names of claims */
	COMPLETE_GUEST, /* names of guests that run */
	COMPLETE_PORT, /* ports of the guest that the operand before names */
	COMPLETE_SAVED, /* names of saved guests */
	COMPLETE_LEASE, /* names of leases */
	COMPLETE_COMMANDS, /* what 'control' does to a guest */
	COMPLETE_DRIVER, /* drivers of PCI devices */
	COMPLETE_VFIO_DRIVER, /* vfio-pci and its variants */
	COMPLETE_ID, /* vendor and device of the devices here */
	COMPLETE_GROUP, /* numbers of IOMMU groups */
	COMPLETE_CLASS,
	COMPLETE_COLUMN, /* several, with commas */
	COMPLETE_CHECK, /* names for --allow */
	COMPLETE_USER,
	COMPLETE_USER_GROUP,
	COMPLETE_VARIABLE, /* of the environment */
	COMPLETE_VERB, /* a verb or a topic */
	COMPLETE_WORD, /* one of a few words */
};

struct complete_type {
	enum complete_value value;
	const char *words; /* COMPLETE_WORD: separated by blanks; COMPLETE_PORT: the guest */
};

/*
 * The type of the value of --@option of a verb, and of its operand number @index. The tables in
 * complete.c need a row for each new option with a value, and for each new verb.
 */
struct complete_type complete_option(const char *verb, const char *option);
struct complete_type complete_operand(const char *verb, unsigned index);

/* Completes for shells; not in the table of verbs, as nobody types it. */
extern const struct verb verb_complete;

#endif
