/* SPDX-License-Identifier: MIT */
#ifndef LIBVIRT_CHANGE_H
#define LIBVIRT_CHANGE_H

/* Changes of a domain that runs: the sizes of its disks, and the links of its network cards. */

#include <libvirt/libvirt.h>
#include <stdint.h>

struct wire_done;
struct wire_order;

struct change {
	const char *places; /* letters of libvirt/places.h */
	const char *xml; /* of the domain, as the engine has written it */
	uint64_t down; /* cards without a link, a bit for each place */
};

/* Return: 0, and the size in @ret; -ENODEV, -EINVAL, -ERANGE, -EIO. */
int change_size(const struct change *c, virDomainPtr domain, const struct wire_order *o,
	struct wire_done *ret);

/* Return: 0, -ENODEV, -EALREADY, -ENOMEM, -EIO. */
int change_link(struct change *c, virDomainPtr domain, const struct wire_order *o);

#endif
