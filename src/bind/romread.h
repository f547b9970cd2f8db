/* SPDX-License-Identifier: MIT */
#ifndef BIND_ROMREAD_H
#define BIND_ROMREAD_H

#include "bind/plan.h"

#include <stdint.h>

/*
 * Reads a device's ROM through sysfs. A device may have one address decoder for its ROM and its
 * BARs (pci_enable_rom() in the kernel), so while the ROM is read a driver's accesses to the BARs
 * may fail: usher refuses a device that a driver of the host or a guest uses. The kernel's copy of
 * a shadowed ROM is memory, which nobody has to stop for.
 */
struct bind_rom {
	struct pci_device device;
	struct bind_plan says; /* refusals; no groups */
	uint8_t *data;
	size_t size; /* [bytes] */
	bool was_asleep; /* usher woke it for the read */
};

#define BIND_ROM_NONE ((struct bind_rom){0})

/*
 * Reads the ROM of @q's one target, under the lock of its group. It wakes a sleeping device and
 * enables one without a driver, and puts both back. @ret: bind_rom_fini() either way.
 * Return: 0; -EPERM when @ret->says.refusals; -ENOENT the device has no ROM; -EIO the kernel finds
 * no ROM there; -ENODEV it does not answer; -EBUSY, -ETIMEDOUT, -errno.
 */
int bind_rom_read(const struct bind_env *env, const struct bind_request *q, struct bind_rom *ret,
	struct err *e);
void bind_rom_fini(struct bind_rom *r);

#endif
