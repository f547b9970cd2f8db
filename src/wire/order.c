/* SPDX-License-Identifier: MIT */
#include "wire/order.h"

#include "wire/machine.h"

#include <errno.h>
#include <stdbool.h>

/* Functions of one card, each once. */
static bool order_has_card(const struct wire_order *o)
{
	const bool wanted = o->order == WIRE_ORDER_PLUG || o->order == WIRE_ORDER_UNPLUG;
	struct pci_address first, a;
	unsigned seen = 0;

	if (!wanted || !o->function_count || o->function_count > WIRE_FUNCTIONS_MAX)
		return !wanted && !o->function_count;
	if (wire_address_parse(&o->functions[0], &first) < 0)
		return false;
	for (size_t i = 0; i < o->function_count; i++) {
		if (wire_address_parse(&o->functions[i], &a) < 0 ||
			!pci_address_same_slot(first, a) || seen & 1U << a.fn)
			return false;
		seen |= 1U << a.fn;
	}
	return true;
}

int wire_order_check(const struct wire_order *o, size_t fd_count)
{
	size_t wanted = o->order == WIRE_ORDER_FIGURES || o->order == WIRE_ORDER_CONSOLE;

	if (o->header.kind != WIRE_ORDER || o->order < WIRE_ORDER_BUTTON ||
		o->order > WIRE_ORDER_BALLOON || fd_count != wanted || !order_has_card(o))
		return -EPROTO;
	if (o->order != WIRE_ORDER_RESIZE && o->disk)
		return -EPROTO;
	if (o->order != WIRE_ORDER_RESIZE && o->order != WIRE_ORDER_BALLOON && o->size)
		return -EPROTO;
	if (o->order != WIRE_ORDER_LINK && (o->card || o->flags & WIRE_ORDER_UP))
		return -EPROTO;
	if (o->port && o->order != WIRE_ORDER_CONSOLE)
		return -EPROTO;
	if (o->disk >= WIRE_VIRTIO_MAX || o->card >= WIRE_VIRTIO_MAX || o->size > INT64_MAX)
		return -EPROTO;
	return o->flags & ~(uint32_t)(WIRE_ORDER_READ_ONLY | WIRE_ORDER_UP) ? -EPROTO : 0;
}

int wire_done_check(const struct wire_done *d)
{
	return d->header.kind == WIRE_DONE && d->result <= 0 && d->length <= sizeof(d->text)
		       ? 0
		       : -EPROTO;
}
