/* SPDX-License-Identifier: MIT */
#include "engine/uplink.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/net/passt.h"
#include "engine/spec.h"
#include "host/host.h"
#include "program/command.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CLASS_NETWORK 0x02
#define ROUTE_UP 0x0001 /* RTF_UP */
#define ROUTE_REJECT 0x0200 /* RTF_REJECT */

static const char *line_next(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

/* Lines "eth0 DESTINATION GATEWAY FLAGS REFS USE METRIC MASK …", numbers in hex, below titles. */
static bool route4_leads_out(struct host *h)
{
	cleanup_free char *text = NULL;
	unsigned to, flags, mask;

	if (host_read_all(h, "/proc/net/route", &text) < 0)
		return false;
	for (const char *line = line_next(text); *line; line = line_next(line))
		if (sscanf(line, "%*s %8x %*x %4x %*d %*d %*d %8x", &to, &flags, &mask) == 3 &&
			!to && !mask && flags & ROUTE_UP && !(flags & ROUTE_REJECT))
			return true;
	return false;
}

/* "DEST PREFIX SOURCE PREFIX NEXT METRIC REF USE FLAGS INTERFACE", numbers in hex. */
static bool route6_leads_out(struct host *h)
{
	cleanup_free char *text = NULL;
	unsigned prefix, flags;
	char interface[32];

	if (host_read_all(h, "/proc/net/ipv6_route", &text) < 0)
		return false;
	for (const char *line = text; *line; line = line_next(line))
		if (sscanf(line, "%*s %2x %*s %*x %*s %*x %*x %*x %8x %31s", &prefix, &flags,
			    interface) == 3 &&
			!prefix && flags & ROUTE_UP && !(flags & ROUTE_REJECT) &&
			strcmp(interface, "lo") != 0)
			return true;
	return false;
}

/* It is to be the guest's network: a second one would take a part of its traffic. */
static bool has_card(struct host *h, const struct guest_spec *s)
{
	char path[FILE_PATH_MAX], address[PCI_ADDRESS_TEXT];
	uint64_t class;

	for (size_t i = 0; i < s->device_count; i++) {
		(void)pci_address_format(s->devices[i].address, address);
		if (file_path(path, sizeof(path), "/sys/bus/pci/devices/%s/class", address) == 0 &&
			host_read_number(h, path, &class) == 0 && class >> 16 == CLASS_NETWORK)
			return true;
	}
	return false;
}

const char *uplink_missing(struct host *h, const struct guest_spec *s)
{
	if (has_card(h, s))
		return "the guest has a lent network card";
	/* Which programs the host has, no snapshot says. */
	if (h == host_live() && command_seek(PASST, NULL).code < 0)
		return PASST " is not installed";
	if (!route4_leads_out(h) && !route6_leads_out(h))
		return "this host has no default route";
	return NULL;
}
