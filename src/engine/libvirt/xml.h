/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_LIBVIRT_XML_H
#define ENGINE_LIBVIRT_XML_H

#include "engine/firmware.h"
#include "engine/spec.h"
#include "engine/usb.h"

#include <sys/types.h>

struct err;

/* What a domain is made of besides its description. */
struct libvirt_parts {
	const char *run_dir; /* BIND_STATE_DIR, for ports */
	pid_t keeper; /* has the devices; usher's hook lets its domain start (libvirt/domain.h) */
	const char *uuid;
	struct firmware_place firmware;
	struct usb_address usb[SPEC_USB_MAX];
};

/*
 * The domain as which libvirt runs @s: usher has bound the devices, and libvirt leaves them there.
 * *@ret is the caller's to free().
 * Return: its length; -EINVAL a text of @s cannot be in XML; -ENOENT, -errno of a file; -ENOMEM.
 */
int libvirt_xml_write(
	const struct guest_spec *s, const struct libvirt_parts *p, char **ret, struct err *e);

/* A letter for each virtio device of @s, by which usher-libvirt finds it (libvirt/places.h). */
void libvirt_xml_places(const struct guest_spec *s, char ret[SPEC_VIRTIO_MAX + 1]);

#define LIBVIRT_CONSOLE "port-:console" /* the socket of its console, in the guest's folder */

#endif
