/* SPDX-License-Identifier: MIT */
#ifndef BIND_EXCLUSIVE_H
#define BIND_EXCLUSIVE_H

#include "bind/plan.h"

/*
 * Holds the disks of a plan between the gate's look and the unbind, which for a disk that is
 * mounted in between would succeed and take the file system away. The kernel grants the exclusive
 * claim of a disk and its partitions to one holder: a later mount fails with EBUSY. Users without
 * a claim (a process, a kernel target) are not kept out.
 */
struct bind_exclusive_disk {
	struct pci_address address; /* of its device */
	int claim; /* -1: given up */
};

struct bind_exclusive {
	const struct bind_env *env;
	size_t count;
	struct bind_exclusive_disk *list;
};

/*
 * Claims every disk of the plan. It leaves out a disk whose users --allow=block lifts, and one that
 * cannot be opened: its plan says so already.
 * Return: 0; -EBUSY when a disk that was free has a holder now; -ENOMEM. bind_exclusive_end()
 * either way.
 */
int bind_exclusive_begin(struct bind_exclusive *x, const struct bind_env *env,
	const struct bind_plan *p, struct err *e);
/* Gives up the disks of one device. */
void bind_exclusive_leave(struct bind_exclusive *x, struct pci_address a);
void bind_exclusive_end(struct bind_exclusive *x);

/* The live disk_claim and disk_release of struct bind_kernel_ops. */
int bind_exclusive_claim(const char *disk);
void bind_exclusive_release(int claim);

#endif
