/* SPDX-License-Identifier: MIT */
#include "wire/call.h"

#include <errno.h>

int wire_address_parse(const struct wire_address *w, struct pci_address *ret)
{
	if (w->dev > 31 || w->fn > 7 || w->zero)
		return -EPROTO;
	*ret = (struct pci_address){.domain = w->domain, .bus = w->bus, .dev = w->dev, .fn = w->fn};
	return 0;
}

int wire_call_check(const struct wire_call *c)
{
	struct pci_address a;

	switch (c->header.kind) {
	case WIRE_RESET_BUS:
		return wire_address_parse(&c->device, &a);
	case WIRE_LEND_GROUP:
	case WIRE_LEAVE_GROUP:
	case WIRE_LEND_BACKEND:
		return c->group >= 0 ? 0 : -EPROTO;
	case WIRE_LEND_SOCKET: /* any number is a port's */
		return 0;
	default:
		return -EPROTO;
	}
}
