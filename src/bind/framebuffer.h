/* SPDX-License-Identifier: MIT */
#ifndef BIND_FRAMEBUFFER_H
#define BIND_FRAMEBUFFER_H

/*
 * The framebuffer that the firmware left, in a BAR of a graphics card: a platform device with a
 * driver of its own (efifb, simpledrm, vesafb), which knows nothing of PCI. While it claims the
 * memory, vfio-pci cannot have the BAR ("BAR 0: can't reserve"), and the kernel makes room by
 * itself for VGA class devices only.
 *
 * Ref: drivers/firmware/sysfb.c; drivers/video/aperture.c.
 */

#include "bind/gate.h"
#include "bind/transaction.h"

/*
 * Finds what must be unbound before @m is taken: m->framebuffer, "DRIVER/NAME" of the platform
 * bus, and a warning in the plan. /proc/iomem shows addresses to root only, so others plan
 * without it. Return: 0, -ENOMEM.
 */
int bind_framebuffer_plan(struct bind_case *c, struct bind_member *m);

/*
 * Path of the @attr ("bind", "unbind") that takes a framebuffer "DRIVER/NAME".
 * Return: NAME, NULL when the path is too long.
 */
const char *bind_framebuffer_path(
	const char *framebuffer, const char *attr, char *buf, size_t size);

/*
 * Binds a framebuffer again. One that is not there any more is no failure: a graphics driver that
 * takes over the display removes the platform device permanently. Return: 0, bind_worker_write()'s.
 */
int bind_framebuffer_back(struct bind_worker *w, const char *framebuffer, struct err *e);

#endif
