/* SPDX-License-Identifier: MIT */
#ifndef BIND_LEASE_H
#define BIND_LEASE_H

#include "bind/env.h"
#include "pci/address.h"

#include <stdbool.h>
#include <stddef.h>

struct bind_case;
struct bind_entry;

/* What the journal holds; for `usher restore`, `usher list` and the daemon. */
enum bind_lease_state {
	BIND_LEASE_VOID, /* of an earlier boot */
	BIND_LEASE_CORRUPT, /* unreadable; @text has the line */
	BIND_LEASE_BROKEN, /* usher died in the middle of a transaction */
	BIND_LEASE_DEAD, /* its owner has ended */
	BIND_LEASE_MANUAL, /* bound manually, until `usher release` */
	BIND_LEASE_LIVE, /* its owner runs */
	BIND_LEASE_BUSY, /* a writer of usher still runs, or hangs in the kernel */
};

/* One entry of STATE/journal (of a group) or of STATE/vfs (of a device's virtual functions). */
struct bind_lease {
	int group; /* bind_leases() */
	struct pci_address address; /* vfs_leases(): the physical function */
	enum bind_lease_state state;
	struct bind_owner owner;
	char text[160]; /* one sentence for people */
};

/* Every entry by group number; *@ret is the caller's to free(). Return: 0, -ENOMEM, -errno. */
int bind_leases(
	const struct bind_env *env, struct bind_lease **ret, size_t *ret_count, struct err *e);

/* The group in whose entry a device is, there or gone. Return: PCI_GROUP_NONE if it is in none. */
int bind_lease_group_of(const struct bind_env *env, struct pci_address a);

/* A folder of entries, as bind_lease_walk() reads it. */
struct bind_lease_folder {
	const char *path; /* below STATE */
	/* Sets the group or the address. Return: false if no entry has such a name. */
	bool (*name)(const char *name, struct bind_lease *l);
	/* Reads and judges the entry; @boot: bind_boot_id(). Return: 0, -ENOENT, -errno. */
	int (*read)(
		const struct bind_env *env, const char *boot, struct bind_lease *l, struct err *e);
};

/* Every entry, and the leftovers of a crash, in order. Otherwise as bind_leases(). */
int bind_lease_walk(const struct bind_env *env, const struct bind_lease_folder *folder,
	struct bind_lease **ret, size_t *ret_count, struct err *e);

/* State of an entry now; @text gets one sentence unless it is NULL. */
enum bind_lease_state bind_lease_judge(const struct bind_env *env, const struct bind_entry *n,
	const char *boot, char *text, size_t size);

/* Adds a problem if the group has an owner already. Return: 0, -ENOMEM, -errno. */
int bind_gate_lease(struct bind_case *c, int group);

#endif
