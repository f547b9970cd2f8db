/* SPDX-License-Identifier: MIT */
#ifndef CHECK_EARLYOWNER_H
#define CHECK_EARLYOWNER_H

#include "check/early.h"

/*
 * What makes the initramfs of a host, by evidence, and how a person changes it. An owner that usher
 * does not know gets no command.
 */

struct early_evidence;

struct early_owner {
	const char *name; /* "": unknown */
	bool (*owns)(const struct early_evidence *e);
	unsigned reads; /* families of lists */
	const char *place; /* where a person adds a module if no list has one; NULL: unknown */
	const char *module; /* how that place spells vfio_pci; NULL: so */
	const char *add; /* a command that does so; NULL: edit @place */
	const char *made_by; /* the command that makes the initramfs; NULL: none, or @tool knows */
	const char *(*tool)(const struct early_evidence *e); /* the same where hosts differ */
};

/* Finds the owner by @b and the lists in @y; sets @y->owner, @y->tool, @y->image and its time. */
void early_owner_find(struct host *h, const struct boot *b, struct early *y);

/* True if the owner takes modules from lists of this family. */
bool early_owner_reads(const struct early_owner *o, enum early_list list);

/*
 * Writes how a person makes the initramfs load vfio_pci, or makes it anew, as the end of a fix.
 */
void early_how_to_add(const struct early *y, char *buf, size_t size);
void early_how_to_make(const struct early *y, char *buf, size_t size);

/* Every owner in the table's order; NULL after the last. */
const struct early_owner *early_owner_at(size_t i);

#endif
