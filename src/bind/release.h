/* SPDX-License-Identifier: MIT */
#ifndef BIND_RELEASE_H
#define BIND_RELEASE_H

#include "bind/env.h"
#include "pci/device.h"

#include <stdbool.h>
#include <stddef.h>

enum bind_return {
	BIND_RETURN_DRIVER, /* to the first driver and override */
	BIND_RETURN_VFIO, /* stays on vfio-pci until `usher release` */
	BIND_RETURN_NONE, /* to no driver */
};

struct bind_release_request {
	int group;
	enum bind_return how;
	struct bind_owner owner; /* of the lease. pid 0: manual, refused while an owner runs */
	const char *const *allow; /* "no-reset": return devices without a working reset, too */
	size_t allow_count;
	/* The owner could not reset these: they stay on VFIO as if without a reset. */
	const struct pci_address *unwiped;
	size_t unwiped_count;
	bool dry_run; /* report only */
};

/* What became of one member. */
struct bind_returned {
	struct pci_address address;
	char from[PCI_NAME_MAX]; /* driver before; "" none */
	char to[PCI_NAME_MAX]; /* driver now */
	bool left; /* it was not returned: @text says why */
	char text[256];
};

struct bind_report {
	size_t returned_count;
	struct bind_returned *returned;
	bool idle; /* no device of the group was on a VFIO driver or had an entry */
	struct bind_owner owner; /* of the entry; pid 0: bound manually, or there was none */
};

#define BIND_REPORT_NONE ((struct bind_report){0})
void bind_report_fini(struct bind_report *r);

/*
 * Returns one group to its drivers and ends its lease. A group that was bound manually before its
 * owner took it stays bound. A device without a working reset stays on vfio-pci unless allowed. In
 * a group without a journal entry, devices on a VFIO driver lose their override and the kernel
 * probes them again. Idempotent.
 * Return: 0, -EPERM when refused (owner alive, in use, no reset), -EBUSY, -ETIMEDOUT, -errno.
 */
int bind_release(const struct bind_env *env, const struct bind_release_request *g,
	struct bind_report *ret, struct err *e);

enum bind_manual { BIND_MANUAL_STAYS, BIND_MANUAL_RELEASE };

/*
 * Cleans up one entry by its state: removes void and corrupt ones, releases broken and dead ones,
 * leaves live and busy ones alone. @manual decides about groups that were bound manually.
 * Idempotent. Return: 0 done or nothing to do, 1 left alone, -errno as bind_release().
 */
int bind_restore(const struct bind_env *env, int group, enum bind_manual manual,
	struct bind_report *ret, struct err *e);

#endif
