/* SPDX-License-Identifier: MIT */
#ifndef BIND_RESIZE_H
#define BIND_RESIZE_H

/*
 * Resizable BARs. The kernel resizes one only while no driver has the device, so it is done
 * between unbind and bind. A size is kept as 1 + its power of two in MiB, 0 for none: 9 is
 * 256 MiB, and resourceN_resize is written 8.
 *
 * Ref: Documentation/ABI/testing/sysfs-bus-pci, resourceN_resize.
 */

#include "bind/gate.h"
#include "bind/transaction.h"

/* @bytes as such a size. Return: it, 0 when it is no power of two of 1 MiB or more. */
uint8_t bind_resize_code(uint64_t bytes);

/* The size that BAR @bar has now; 0 when it has none. */
uint8_t bind_resize_now(struct host *h, struct pci_address a, unsigned bar);

/*
 * Checks what @t wants of its BARs against what the device offers, and puts what has to be
 * changed into @m->bar. Return: 0, -ENOMEM, -errno.
 */
int bind_resize_plan(struct bind_case *c, const struct bind_target *t, struct bind_member *m);

/* What to write into resourceN_resize for a size. Return: @buf. */
const char *bind_resize_text(uint8_t code, char buf[4]);

/* Gives each BAR of a device without a driver the size it had. Return: 0, -errno. */
int bind_resize_back(struct bind_worker *w, const struct bind_was *was, struct err *e);

#endif
