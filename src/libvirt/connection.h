/* SPDX-License-Identifier: MIT */
#ifndef LIBVIRT_CONNECTION_H
#define LIBVIRT_CONNECTION_H

/*
 * A connection to libvirt, and through it to any hypervisor that it knows. libvirt's library is
 * loaded for it. Never from the hook: libvirt waits for that (libvirt/hook.h).
 */

#include "libvirt/domain.h"

#include <stdbool.h>

#define LIBVIRT_URI "qemu:///system" /* the default */

struct libvirt_connection;
struct libvirt_guest;

/* @readonly: enough for lists. Return: 0, -ENOPKG, -EIO with libvirt's reason in @e. */
int libvirt_connect(const char *uri, bool readonly, struct libvirt_connection **ret, struct err *e);
void libvirt_disconnect(struct libvirt_connection *c); /* NULL is fine */

/*
 * Whether the domains' devices are those of this machine, by the URI that libvirt has made of an
 * alias. Return: 0, -EINVAL.
 */
int libvirt_connection_is_local(struct libvirt_connection *c, struct err *e);

/* One domain, and the devices that it has. */
struct libvirt_state {
	const char *name; /* not escaped */
	const char *uuid;
	bool runs;
	bool persists; /* it has a configuration, which stays when it ends */
	struct libvirt_domain running; /* of the running domain; empty if it does not run */
	struct libvirt_domain configured; /* of the configuration; empty if it does not persist */
};

/*
 * Calls @each for each domain, by name, until it returns non-zero. A domain that vanishes meanwhile
 * is left out. Return: 0, what @each returned, -EIO, -EBADMSG, -ENOMEM.
 */
int libvirt_each_guest(struct libvirt_connection *c,
	int (*each)(void *arg, const struct libvirt_state *s), void *arg, struct err *e);

/* The domain of that name. Return: 0, -ENOENT, -EIO. The caller calls libvirt_guest_free(). */
int libvirt_guest_find(
	struct libvirt_connection *c, const char *name, struct libvirt_guest **ret, struct err *e);
void libvirt_guest_free(struct libvirt_guest *g); /* NULL is fine */

/*
 * Reads which devices the domain has now. The caller calls libvirt_state_fini(). Return: as
 * libvirt_each_guest().
 */
int libvirt_guest_state(struct libvirt_guest *g, struct libvirt_state *ret, struct err *e);
void libvirt_state_fini(struct libvirt_state *s);

/* Whether a change is for the running domain or for its configuration. */
enum libvirt_scope { LIBVIRT_LIVE, LIBVIRT_CONFIG };

/*
 * Adds or removes the element of one device. A running guest lets a device go later, or never: what
 * libvirt_guest_state() shows counts. Return: 0, -EIO.
 */
int libvirt_guest_attach(
	struct libvirt_guest *g, struct pci_address a, enum libvirt_scope scope, struct err *e);
int libvirt_guest_detach(
	struct libvirt_guest *g, struct pci_address a, enum libvirt_scope scope, struct err *e);

#endif
