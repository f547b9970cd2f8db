/* SPDX-License-Identifier: MIT */
#ifndef BIND_GATE_H
#define BIND_GATE_H

#include "bind/plan.h"

struct hold_view;

/* One planning: what is asked, of which host, and the plan as far as it has come. */
struct bind_case {
	const struct bind_env *env;
	const struct bind_request *q;
	struct bind_plan *plan;
	struct err *e;
	struct hold_view *view; /* of all who use devices; NULL until asked for */
};

/*
 * The questions that a plan has to answer, each adding its problems to the plan.
 * Return: 0, -ENOMEM, -errno.
 */
int bind_gate_target(struct bind_case *c, const struct bind_target *t, const struct pci_device *d);
int bind_gate_group(struct bind_case *c, const struct bind_group *g);
/* Whether a group whose members went where they are to go holds none of a driver of the host. */
bool bind_gate_viable(struct host *h, const struct bind_group *g);
/* Worth a word only when nothing refuses. */
int bind_gate_resets(struct bind_case *c, const struct bind_group *g);

/* The number of a device's group, PCI_GROUP_NONE. */
int bind_group_of(struct host *h, struct pci_address a);

/* Classes that carry the host itself: no member of such a class is ever taken as a sibling. */
bool bind_class_is_platform(uint32_t class);

/* Whether vfio-pci refuses a device for what it could do, until its disable_denylist is set. */
bool bind_denylisted(const struct pci_device *d);

/* The VFIO drivers, vfio-pci and its variants: they make a vfio-dev folder. */
bool bind_on_vfio(struct host *h, const struct pci_device *d);

#endif
