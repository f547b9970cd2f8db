/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_USB_H
#define ENGINE_USB_H

#include "engine/spec.h"
#include "engine/usb_return.h"

struct err;

/*
 * Devices at the host's USB that a guest gets one by one. Without a controller of its own the guest
 * has no IOMMU between it and them: the engine speaks to each by its node in /dev/bus/usb.
 */

/* "VENDOR:PRODUCT" in hex, or "BUS-PORT[.PORT]…", as --usb takes it. Return: 0, -EINVAL. */
int usb_add(struct guest_spec *s, const char *text, struct err *e);

/* Return: @buf, "046d:c52b" or "1-2.3". */
#define USB_TEXT 40
const char *usb_text(const struct guest_usb *u, char buf[USB_TEXT]);

/*
 * Whether each device of @s is there, is no hub, and no disk of it is in use.
 * Return: 0, -EINVAL, -EBUSY, -errno with a sentence.
 */
int usb_check(const struct guest_spec *s, struct err *e);

/* Where a device is, from now on until it is plugged out. */
struct usb_address {
	unsigned bus, device; /* as in /dev/bus/usb/001/002 */
};

/* The same for one; usb_return_note() for it, unless @back is NULL. Return: as that. */
int usb_find(
	const struct guest_usb *u, struct usb_address *ret, struct usb_return *back, struct err *e);

/* The same, and opens its node. Return: descriptor, as that. */
int usb_open(const struct guest_usb *u, struct usb_return *back, struct err *e);

#endif
