/* SPDX-License-Identifier: MIT */
/*
 * Devices that `usher exec` handed over, by the environment: USHER_DEVICE="ADDRESS=URI
 * ADDRESS=URI".
 */
#include "base/usher_err.h"
#include "lib/device.h"
#include "pci/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <usher/err.h>

#define ENVIRONMENT "USHER_DEVICE"

/* The word of the environment whose ADDRESS is @name; NULL: the first word. */
static int find_inherited(const char *name, char *ret_uri, size_t size, char *ret_name)
{
	const char *at = getenv(ENVIRONMENT);

	while (at && *at) {
		size_t len = strcspn(at, " "), left = strcspn(at, "=");
		const bool fits = left < len && len - left <= size && left < PCI_ADDRESS_TEXT;
		if (fits && (!name || (strlen(name) == left && strncmp(at, name, left) == 0))) {
			(void)snprintf(ret_name, PCI_ADDRESS_TEXT, "%.*s", (int)left, at);
			(void)snprintf(ret_uri, size, "%.*s", (int)(len - left - 1), at + left + 1);
			return 0;
		}
		at += len;
		at += strspn(at, " ");
	}
	return -ENOENT;
}

int usher_device_inherit(
	const char *name, struct usher_space *s, struct usher_device **ret, struct usher_err *e)
{
	char uri[64], address[PCI_ADDRESS_TEXT];
	int r = find_inherited(name, uri, sizeof(uri), address);

	if (r < 0) {
		(void)err_say(err_from_usher(e), r, "no device%s%.40s was handed to this program",
			name ? " " : "", name ? name : "");
		err_hint(err_from_usher(e), "start it by: usher exec --device ADDRESS -- PROGRAM");
		return r;
	}
	r = usher_device_open(uri, s, ret, e);
	if (r < 0)
		return err_in(err_from_usher(e), r, "%s", address);
	(void)snprintf((*ret)->info.name, sizeof((*ret)->info.name), "%s", address);
	return 0;
}
