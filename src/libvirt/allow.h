/* SPDX-License-Identifier: MIT */
#ifndef LIBVIRT_ALLOW_H
#define LIBVIRT_ALLOW_H

/*
 * What an administrator lets domains of this host have although a check refuses. One line each, '#'
 * for a comment; the name is as `usher list` shows it, and goes on to the end of the line:
 *
 *	# DEVICE      CHECK  DOMAIN
 *	0000:01:00.0  block  web server
 *
 * A file of root, and not the domain's XML: that goes to other hosts, into clones, and is for
 * everybody who may edit the domain.
 */

#include "libvirt/domain.h"

struct host;

#define LIBVIRT_ALLOW_FILE "/etc/usher/libvirt-allow"
#define LIBVIRT_ALLOW_MAX 32 /* checks of one domain */

struct libvirt_allow {
	char *text; /* of the file; the checks are in it */
	size_t count;
	const char *checks[LIBVIRT_ALLOW_MAX];
	unsigned wrong; /* number of the first line that is not understood; 0: none */
};

/*
 * The checks that do not count for a domain: those that the file has for each device that the
 * domain names. So a device that is added later needs a line of its own. @name: escaped, by
 * bind_owner_domain(). @ret: libvirt_allow_fini(). Return: 0, also without a file; -EFBIG, -errno.
 */
int libvirt_allow_read(struct host *h, const char *path, const char *name,
	const struct libvirt_domain *d, struct libvirt_allow *ret, struct err *e);
void libvirt_allow_fini(struct libvirt_allow *a);

#endif
