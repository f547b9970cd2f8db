/* SPDX-License-Identifier: MIT */
#ifndef CHECK_VERDICT_H
#define CHECK_VERDICT_H

#include "bind/plan.h"
#include "check/rule.h"

/*
 * Appends the verdict on each device of @list to the report: whether `usher bind` would take it
 * now. The case must have run the rules of the host. Return: 0, -ENOMEM, -errno.
 */
int check_verdicts(struct check_case *c, const struct pci_device *list, size_t count);

/* True for what a person may want to lend: a display, a disk controller, a network card, … */
bool check_may_lend(const struct pci_device *d);

#endif
