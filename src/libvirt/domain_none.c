/* SPDX-License-Identifier: MIT */
/* For a build without libxml2's headers: a domain that may have a PCI device cannot be read. */
#include "base/err.h"
#include "libvirt/domain.h"

#include <errno.h>
#include <stdlib.h>

void libvirt_domain_fini(struct libvirt_domain *d)
{
	*d = LIBVIRT_DOMAIN_NONE;
}

int libvirt_domain_parse(const char *text, size_t len, struct libvirt_domain *ret, struct err *e)
{
	return err_say(e, -ENOPKG, "cannot be read: this usher was built without libxml2");
}
