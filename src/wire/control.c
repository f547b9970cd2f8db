/* SPDX-License-Identifier: MIT */
#include "wire/control.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define FLAGS_ALL (WIRE_EVENT_BRIDGE | WIRE_EVENT_REFUSES | WIRE_EVENT_LIFTABLE | WIRE_EVENT_LEFT)
#define SIGNAL_MAX 64

static bool text_ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

int wire_event_check(const struct wire_event *ev)
{
	struct pci_address a;

	if (ev->header.kind != WIRE_EVENT || ev->event < WIRE_EVENT_MEMBER ||
		ev->event > WIRE_EVENT_WARNED || ev->flags & ~(uint32_t)FLAGS_ALL)
		return -EPROTO;
	if (!text_ends(ev->from, sizeof(ev->from)) || !text_ends(ev->to, sizeof(ev->to)) ||
		!text_ends(ev->check, sizeof(ev->check)) ||
		!text_ends(ev->object, sizeof(ev->object)) ||
		!text_ends(ev->text, sizeof(ev->text)) || !text_ends(ev->hint, sizeof(ev->hint)))
		return -EPROTO;
	return wire_address_parse(&ev->device, &a);
}

int wire_command_check(const struct wire_command *c)
{
	if (c->header.kind != WIRE_COMMAND || c->command < WIRE_COMMAND_STOP ||
		c->command > WIRE_COMMAND_STATE)
		return -EPROTO;
	return c->signal >= 0 && c->signal <= SIGNAL_MAX ? 0 : -EPROTO;
}
