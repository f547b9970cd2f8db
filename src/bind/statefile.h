/* SPDX-License-Identifier: MIT */
#ifndef BIND_STATEFILE_H
#define BIND_STATEFILE_H

#include "bind/env.h"
#include "pci/address.h"

struct bind_transaction;
struct err;

/*
 * An entry about one device, in the state folder, beside the journal of bindings: what a longer
 * change of the machine has to put back after a crash. Its text is its module's.
 */
struct bind_statefile_kind {
	const char *folder; /* "vfs": the file is STATE/vfs/ADDRESS */
	const char *name; /* for messages: "entry of virtual functions" */
	/* Reads @text into @entry, and tells its device. Return: 0, -EBADMSG. */
	int (*parse)(const char *text, void *entry, struct pci_address *ret);
};

int bind_statefile_path(const struct bind_env *env, const struct bind_statefile_kind *k,
	struct pci_address a, char *buf, size_t size);

/* @text: room for the file, @size bytes. Return: 0, -ENOENT, -EBADMSG, -errno. */
int bind_statefile_read(const struct bind_env *env, const struct bind_statefile_kind *k,
	struct pci_address a, char *text, size_t size, void *entry, struct err *e);

/* Each is one change of the transaction. Return: 0, -errno. */
int bind_statefile_write(struct bind_transaction *w, const struct bind_statefile_kind *k,
	struct pci_address a, const char *text, struct err *e);
int bind_statefile_remove(struct bind_transaction *w, const struct bind_statefile_kind *k,
	struct pci_address a, struct err *e);

#endif
