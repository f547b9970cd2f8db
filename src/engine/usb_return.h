/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_USB_RETURN_H
#define ENGINE_USB_RETURN_H

#include <stddef.h>

/*
 * QEMU takes the interfaces of a USB device from the host's drivers, and gives them back when it
 * ends in order. When it is killed, the kernel only frees them: a keyboard stays dead.
 */
#define USB_BUS "/sys/bus/usb"
#define USB_INTERFACES_MAX 64

struct usb_return {
	size_t count;
	char names[USB_INTERFACES_MAX][48]; /* "1-2.3:1.0" */
};

/* Before the guest: adds to @ret which interfaces of the device at @place have a driver. */
void usb_return_note(const char *bus, const char *place, struct usb_return *ret);

/* After it: has the kernel look for a driver for each of them that has none. */
void usb_return_probe(const char *bus, struct usb_return *r);

#endif
