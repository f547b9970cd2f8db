/* SPDX-License-Identifier: MIT */
#ifndef LIB_HANDED_H
#define LIB_HANDED_H

#include "lib/device.h"

/*
 * Devices by descriptors that somebody handed over. Several may name one container: it, and a group
 * that two of them name, is closed once, by the space that has them all. So the process remembers
 * which space has which container.
 */

/*
 * The space of a device that is open in d->vfio: @s, or, when that is NULL, the one that has the
 * container already, or a new one. Descriptors are the space's from then on, and d->vfio's the
 * device's; they are closed on exec. Return: 0; -EBUSY another space has the container, or the
 * device is open; as space_adopt().
 */
int handed_enter(struct usher_device *d, struct usher_space *s, const struct device_uri *u,
	struct usher_err *e);

/* One device less has @s as its own; the last takes it along. */
void handed_put(struct usher_space *s);

/* @s goes. */
void handed_forget(struct usher_space *s);

#endif
