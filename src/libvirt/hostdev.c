/* SPDX-License-Identifier: MIT */
#include "libvirt/hostdev.h"

#include <stdio.h>

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
