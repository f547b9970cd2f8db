/* SPDX-License-Identifier: MIT */
#ifndef LIB_HANDED_H
#define LIB_HANDED_H

#include "lib/device.h"

/*
 * Puts a device that is open in d->vfio into a space: @s, or, if that is NULL, the one that has the
 * container already, or a new one. All descriptors belong to the space on success; they are closed
 * on exec. Return: 0; -EBUSY another space has the container, or the device is open; as
 * space_adopt().
 */
int handed_enter(struct usher_device *d, struct usher_space *s, const struct device_uri *u,
	struct usher_err *e);

/* One device less has @s as its own. The last one frees it. */
void handed_put(struct usher_space *s);

#endif
