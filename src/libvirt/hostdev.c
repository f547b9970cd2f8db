/* SPDX-License-Identifier: MIT */
#include "libvirt/hostdev.h"

#include "base/num.h"
#include "libvirt/domain.h"

#include <stdio.h>
#include <string.h>

const char *libvirt_hostdev_format(
	struct pci_address a, bool managed, char buf[LIBVIRT_HOSTDEV_TEXT])
{
	(void)snprintf(buf, LIBVIRT_HOSTDEV_TEXT,
		"<hostdev mode='subsystem' type='pci' managed='%s'>\n"
		"  <source>\n"
		"    <address domain='0x%04x' bus='0x%02x' slot='0x%02x' function='0x%x'/>\n"
		"  </source>\n"
		"</hostdev>\n",
		managed ? "yes" : "no", a.domain, a.bus, a.dev, a.fn);
	return buf;
}

bool libvirt_hostdev_may_be(const char *text, size_t len)
{
	static const char *const words[] = {"hostdev", "nvme", "<!"};

	/* A name of an element cannot be written in another way; a value can, by '&#…;'. */
	for (size_t i = 0; i < COUNT(words); i++)
		if (memmem(text, len, words[i], strlen(words[i])))
			return true;
	/* NUL: of UTF-16. */
	return memmem(text, len, "&#", 2) || memchr(text, '\0', len);
}

bool libvirt_domain_has(const struct libvirt_domain *d, struct pci_address a)
{
	for (size_t i = 0; i < d->count; i++)
		if (pci_address_equal(d->devices[i].address, a))
			return true;
	return false;
}
