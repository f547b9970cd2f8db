/* SPDX-License-Identifier: MIT */
#ifndef DESKTOP_ENTRY_H
#define DESKTOP_ENTRY_H

/*
 * STATE/desktop/ADDRESS: what the desktop was before usher stopped it. usher writes it before the
 * first change and removes it after the last one.
 *
 *	usher-desktop 1
 *	device 0000:01:00.0 10de:1f08	the card
 *	boot 1b2f…
 *	owner PID START			who brings the desktop back
 *	keeper PID START		who does it if the owner dies
 *	vt 7				the active virtual terminal; 0: none
 *	console (M) frame buffer device	for each back end that was bound
 *	module nvidia_drm		for each one that is unloaded, in that order
 *	unit gdm.service		for each one that is stopped, in that order
 *	end
 *
 * Any other text is corrupt.
 */

#include "bind/journal.h"
#include "bind/lease.h"
#include "bind/transaction.h"
#include "desktop/plan.h"

struct desktop_process {
	pid_t pid; /* 0: none */
	uint64_t start;
};

struct desktop_entry {
	struct pci_address address;
	uint16_t vendor;
	uint16_t device;
	char boot[BIND_BOOT_MAX];
	struct desktop_process owner;
	struct desktop_process keeper;
	unsigned vt;
	size_t console_count;
	char consoles[DESKTOP_CONSOLES_MAX][DESKTOP_CONSOLE_NAME];
	size_t module_count;
	char modules[DESKTOP_MODULES_MAX][DESKTOP_MODULE_MAX];
	size_t unit_count;
	char units[DESKTOP_UNITS_MAX][DESKTOP_UNIT_MAX];
};

/* Return: 0, -ENOENT, -EBADMSG, -errno. */
int desktop_entry_read(
	const struct bind_env *env, struct pci_address a, struct desktop_entry *ret, struct err *e);

/* Each is one change of the transaction. Return: 0, -errno. */
int desktop_entry_write(struct bind_transaction *w, const struct desktop_entry *n, struct err *e);
int desktop_entry_remove(struct bind_transaction *w, struct pci_address a, struct err *e);

/*
 * State of an entry now: VOID, LIVE or BROKEN; @text gets one sentence. The calling process itself
 * does not count as one that brings the desktop back.
 */
enum bind_lease_state desktop_entry_judge(const struct bind_env *env, const struct desktop_entry *n,
	const char *boot, char *text, size_t size);

/* Every entry by address. As bind_leases(). */
int desktop_leases(
	const struct bind_env *env, struct bind_lease **ret, size_t *ret_count, struct err *e);

#endif
