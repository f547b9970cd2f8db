/* SPDX-License-Identifier: MIT */
#ifndef VFS_ENTRY_H
#define VFS_ENTRY_H

/*
 * STATE/vfs/ADDRESS: what the virtual functions of one device were before usher changed them.
 *
 *	usher-vfs 1
 *	device 0000:01:00.0 1b36:0010
 *	boot 1b2f…
 *	state changing | changed
 *	writer PID START
 *	first 0 yes			number, and whether host drivers were probed, at first
 *	before 2			number before the change that is under way
 *	interface eth0			optional: which keeps the lines below it
 *	vf 0 52:54:00:00:00:09 …	what was set for each function: bind_vf_settings_format()
 *	end
 *
 * Any other text is corrupt.
 */

#include "bind/journal.h"
#include "bind/lease.h"
#include "bind/transaction.h"
#include "bind/vf_settings.h"

struct vfs_entry {
	struct pci_address address;
	uint16_t vendor;
	uint16_t device;
	char boot[BIND_BOOT_MAX];
	bool changing;
	pid_t writer; /* 0: none */
	uint64_t writer_start;
	unsigned first;
	bool first_probes;
	unsigned before;
	char interface[BIND_INTERFACE_MAX]; /* "": none */
	size_t settings_count;
	struct host_vf settings[VFS_SETTINGS_MAX];
};

int vfs_entry_path(const struct bind_env *env, struct pci_address a, char *buf, size_t size);

/* Return: 0, -ENOENT, -EBADMSG, -errno. */
int vfs_entry_read(
	const struct bind_env *env, struct pci_address a, struct vfs_entry *ret, struct err *e);

/* Each is one change of the transaction. Return: 0, -errno. */
int vfs_entry_write(struct bind_transaction *w, const struct vfs_entry *n, struct err *e);
int vfs_entry_remove(struct bind_transaction *w, struct pci_address a, struct err *e);

/*
 * Reads the settings of the existing functions into @n; none if the device has no interface, or
 * more than one. Return: 0, -errno.
 */
int vfs_settings_read(struct host *h, struct vfs_entry *n, struct err *e);

/* Restores them for the first @count functions. Return: 0, the first -errno after all others. */
int vfs_settings_restore(
	struct bind_transaction *w, const struct vfs_entry *n, unsigned count, struct err *e);

/* State of an entry now; @text gets one sentence. */
enum bind_lease_state vfs_entry_judge(const struct bind_env *env, const struct vfs_entry *n,
	const char *boot, char *text, size_t size);

#endif
