/* SPDX-License-Identifier: MIT */
#ifndef USHER_LIBVIRT_DOMAIN_H
#define USHER_LIBVIRT_DOMAIN_H /* libvirt has one without USHER_ */

/*
 * What libvirt's XML of a domain says about PCI devices. Each of these has libvirt bind a device to
 * VFIO, or wants it there:
 *
 *	<hostdev mode='subsystem' type='pci' managed='yes'><source><address bus='0x01' …/>
 *	<interface type='hostdev' managed='yes'><source><address type='pci' bus='0x01' …/>
 *	<disk type='nvme'><source type='pci' managed='yes' …><address bus='0x01' …/>
 *
 * libvirt chooses a device of <interface type='network'> itself, when the domain starts. Only the
 * state of the running domain has it:
 *
 *	<interface type='network'><actual type='hostdev' managed='yes'><source><address …/>
 */

#include "pci/address.h"
#include "pci/device.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LIBVIRT_XML_MAX (4u << 20) /* [bytes] libvirt's own limit for a string of its protocol */
#define LIBVIRT_DEVICES_MAX 1024

/*
 * The namespace of usher's element in a domain's metadata, which libvirt keeps and does not read:
 *
 *	<metadata><usher:guest xmlns:usher='urn:usher' keeper='812'/></metadata>
 *
 * A guest of usher (engine/libvirt/libvirt.c) has it: its keeper has the devices.
 */
#define LIBVIRT_METADATA "urn:usher"

struct libvirt_device {
	struct pci_address address;
	bool managed; /* libvirt binds it, and gives it back */
	char driver[PCI_NAME_MAX]; /* <driver model='…'>: a VFIO variant; "" for none */
};

struct libvirt_domain {
	char *name; /* as in the file, not escaped; "" if it has none */
	pid_t keeper; /* of the metadata; 0: none */
	size_t count;
	struct libvirt_device *devices; /* in the order of the file; no device twice */
};

#define LIBVIRT_DOMAIN_NONE ((struct libvirt_domain){0})
void libvirt_domain_fini(struct libvirt_domain *d);

bool libvirt_domain_has(const struct libvirt_domain *d, struct pci_address a);

/*
 * Parses a domain, or the file that libvirt keeps of a running one. libxml2 is loaded for it;
 * document types, and so entities, are refused. @ret: libvirt_domain_fini().
 * Return: 0, -EBADMSG with the reason in @e, -EFBIG, -ENOPKG, -ENOMEM.
 */
int libvirt_domain_parse(const char *text, size_t len, struct libvirt_domain *ret, struct err *e);

#endif
