/* SPDX-License-Identifier: MIT */
#ifndef REVIVE_ENTRY_H
#define REVIVE_ENTRY_H

/*
 * STATE/revive/ADDRESS: what was set before usher tried to revive a device. usher writes it before
 * the first change and removes it after the last one.
 *
 *	usher-revive 1
 *	device 0000:01:00.0 10de:1f08		ffff:ffff: unknown
 *	boot 1b2f…
 *	writer PID START
 *	bus 0000:01				to be scanned again
 *	driver nvme				optional: that it was bound to
 *	slot 1 on | off				optional: its power
 *	link 0000:00:01.0 0x64 0x0010		optional: its Link Control register
 *	set 0000:00:01.0 power/control auto	for each setting that a step changes
 *	keep 0000:01:00.0 vfio-pci bound | free	for each override that a removal loses
 *	end
 *
 * Any other text is corrupt.
 */

#include "bind/journal.h"
#include "bind/lease.h"
#include "bind/transaction.h"
#include "revive/port.h"

#define REVIVE_SETTINGS_MAX 8
#define REVIVE_KEPT_MAX 64

struct revive_setting {
	struct pci_address address;
	char name[24]; /* below the device's folder: "power/control" */
	char value[PCI_NAME_MAX];
};

struct revive_kept {
	struct pci_address address;
	char driver[PCI_NAME_MAX]; /* the override */
	bool bound; /* it was on that driver */
};

struct revive_entry {
	struct pci_address address;
	uint16_t vendor;
	uint16_t device;
	char boot[BIND_BOOT_MAX];
	pid_t writer; /* 0: none */
	uint64_t writer_start;
	uint32_t domain;
	uint8_t bus;
	char driver[PCI_NAME_MAX]; /* "": none */
	char slot[REVIVE_SLOT_MAX]; /* "": none */
	bool slot_on;
	bool has_link;
	struct pci_address port;
	uint16_t control_at;
	uint16_t control;
	size_t setting_count;
	struct revive_setting settings[REVIVE_SETTINGS_MAX];
	size_t kept_count;
	struct revive_kept kept[REVIVE_KEPT_MAX];
};

int revive_entry_path(const struct bind_env *env, struct pci_address a, char *buf, size_t size);

/* Return: 0, -ENOENT, -EBADMSG, -errno. */
int revive_entry_read(
	const struct bind_env *env, struct pci_address a, struct revive_entry *ret, struct err *e);

/* Each is one change of the transaction. Return: 0, -errno. */
int revive_entry_write(struct bind_transaction *w, const struct revive_entry *n, struct err *e);
int revive_entry_remove(struct bind_transaction *w, struct pci_address a, struct err *e);

/* State of an entry now: VOID, BUSY or BROKEN; @text gets one sentence. */
enum bind_lease_state revive_entry_judge(const struct bind_env *env, const struct revive_entry *n,
	const char *boot, char *text, size_t size);

#endif
