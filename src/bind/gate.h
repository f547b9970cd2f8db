/* SPDX-License-Identifier: MIT */
#ifndef BIND_GATE_H
#define BIND_GATE_H

#include "bind/plan.h"

struct hold_view;

/* State of one call to bind_plan(). */
struct bind_case {
	const struct bind_env *env;
	const struct bind_request *q;
	struct bind_plan *plan;
	struct err *e;
	struct hold_view *view; /* users of devices; NULL until first needed */
	struct hold_view *unopened; /* likewise, by HOLD_UNOPENED */
	bool is_unopened; /* the group at hand */
};

/* Each adds the problems that it finds to the plan. Return: 0, -ENOMEM, -errno. */
int bind_gate_target(struct bind_case *c, const struct bind_target *t, const struct pci_device *d);
int bind_gate_group(struct bind_case *c, const struct bind_group *g);
/* True if no member is left on a host driver once the plan is done. */
bool bind_gate_viable(struct host *h, const struct bind_group *g);
/* Warns of members without a working reset; the caller asks only when nothing refuses. */
int bind_gate_resets(struct bind_case *c, const struct bind_group *g);

/* Number of a device's IOMMU group; PCI_GROUP_NONE for none. */
int bind_group_of(struct host *h, struct pci_address a);

/*
 * True for what the host itself is made of: functions of the chipset on a root bus, interrupt
 * controllers and IOMMUs anywhere. usher never takes such a sibling. An endpoint of the same class
 * behind a port is a device like any other.
 */
bool bind_is_platform(const struct pci_device *d);
/* True for platform that leaves a group viable while no driver has it: a dummy. */
bool bind_is_dummy(const struct pci_device *d);

/* True if vfio-pci refuses the device unless its parameter disable_denylist is set. */
bool bind_denylisted(const struct pci_device *d);

/* True on vfio-pci and its variants: these drivers create a vfio-dev folder. */
bool bind_on_vfio(struct host *h, const struct pci_device *d);

#endif
