/* SPDX-License-Identifier: MIT */
#ifndef CHECK_BOOTOWNER_H
#define CHECK_BOOTOWNER_H

#include "check/boot.h"

/*
 * What writes the kernel command line of a host, by evidence, and how a person changes that line.
 * An owner that usher does not know gets no command: a wrong one costs more than none.
 */

struct evidence;

struct boot_owner {
	const char *name;
	bool (*owns)(const struct evidence *e);
	unsigned reads; /* families of files with its options */
	unsigned makes; /* families of files that it writes */
	bool by_files; /* owns the line if the host has files of its families and of no other */
	const char *add, *drop; /* commands with %s for the words; NULL: edit a line */
	const char *place; /* to edit when there is no line yet; NULL: unknown */
	const char *applied_by; /* the command that applies an edit; NULL: none, or @tool knows */
	const char *(*tool)(const struct evidence *e); /* the same where hosts differ; or NULL */
};

/* Finds the owner of the line that @b->booted holds; sets @b->owner and @b->tool. */
void boot_owner_find(struct host *h, struct boot *b);

/* An owner that gives usher neither a file nor a command is as good as unknown. */
bool boot_owner_is_known(const struct boot_owner *o);

/* True if the owner takes options from files of this family. */
bool boot_owner_reads(const struct boot_owner *o, enum boot_file kind);
/* True if the owner writes files of this family itself, so that nobody edits them. */
bool boot_owner_makes(const struct boot_owner *o, enum boot_file kind);

/* What reads a file of this family: "GRUB", "Limine", … */
const char *boot_file_reader(enum boot_file kind);

#endif
