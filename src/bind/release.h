/* SPDX-License-Identifier: MIT */
#ifndef BIND_RELEASE_H
#define BIND_RELEASE_H

#include "bind/env.h"
#include "pci/device.h"

#include <stdbool.h>
#include <stddef.h>

enum bind_return {
	BIND_RETURN_DRIVER, /* to the driver and the override it was found with */
	BIND_RETURN_VFIO, /* stays on vfio-pci, held by the IOMMU; `usher release` gives it back */
	BIND_RETURN_NONE, /* to no driver */
};

struct bind_release_request {
	int group;
	enum bind_return how;
	struct bind_owner owner; /* keeper: itself. pid 0: by hand, refused while an owner lives */
	const char *const *allow; /* "no-reset": what has no working reset goes back all the same */
	size_t allow_count;
	/* Their owner has tried to reset them, in vain: as good as without a reset, until taken anew. */
	const struct pci_address *unwiped;
	size_t unwiped_count;
	bool dry_run; /* decide and report, touch nothing */
};

/* What became of one member. */
struct bind_returned {
	struct pci_address address;
	char from[PCI_NAME_MAX]; /* driver before; "" none */
	char to[PCI_NAME_MAX]; /* driver now */
	bool left; /* not where it should be: @text says why */
	char text[256];
};

struct bind_report {
	size_t returned_count;
	struct bind_returned *returned;
};

#define BIND_REPORT_NONE ((struct bind_report){0})
void bind_report_fini(struct bind_report *r);

/*
 * Gives one group back and ends its lease. A group that was bound by hand before its owner took
 * it goes back to that state only; a device without a working reset stays on vfio-pci unless
 * allowed. A group without a journal entry gets one: devices on a VFIO driver lose their override
 * and are probed again. Idempotent.
 * Return: 0, -EPERM when refused (owner alive, in use, no reset), -EBUSY, -ETIMEDOUT, -errno.
 */
int bind_release(const struct bind_env *env, const struct bind_release_request *g,
	struct bind_report *ret, struct err *e);

enum bind_kept { BIND_KEPT_STAYS, BIND_KEPT_RELEASE };

/*
 * Cleans up one entry as its state asks: void and corrupt ones are removed, broken and dead
 * ones released, live and busy ones left alone, and so are kept ones unless @kept says otherwise.
 * Idempotent. Return: 0 done or nothing to do, 1 left alone, -errno as bind_release().
 */
int bind_restore(const struct bind_env *env, int group, enum bind_kept kept,
	struct bind_report *ret, struct err *e);

#endif
