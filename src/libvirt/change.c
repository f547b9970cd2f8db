/* SPDX-License-Identifier: MIT */
#include "libvirt/change.h"

#include "base/bits.h"
#include "base/clean.h"
#include "libvirt/calls.h"
#include "libvirt/places.h"
#include "wire/order.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many of @letters are before @place. Return: -ENODEV: none of them is there. */
static int place_rank(const struct change *c, uint64_t place, const char *letters)
{
	int rank = 0;

	if (place >= strlen(c->places) || !strchr(letters, c->places[place]))
		return -ENODEV;
	for (uint64_t i = 0; i < place; i++)
		rank += strchr(letters, c->places[i]) != NULL;
	return rank;
}

int change_size(const struct change *c, virDomainPtr domain, const struct wire_order *o,
	struct wire_done *ret)
{
	static const char disks[] = {PLACE_DISK, PLACE_FIXED_DISK, '\0'};
	char target[] = "vda";
	virDomainBlockInfo info;

	const int rank = place_rank(c, o->disk, disks);
	if (rank < 0)
		return rank;
	if (o->size && c->places[o->disk] == PLACE_FIXED_DISK)
		return -EINVAL;
	target[2] = (char)(target[2] + rank);
	/* The physical size is the file's now, whatever QEMU has found when it opened it. */
	if (vir.virDomainGetBlockInfo(domain, target, &info, 0) < 0)
		return -EIO;
	if (o->size && o->size < info.physical)
		return -ERANGE;
	const unsigned long long size = o->size ? o->size : info.physical;
	if (vir.virDomainBlockResize(domain, target, size, VIR_DOMAIN_BLOCK_RESIZE_BYTES) < 0)
		return -EIO;
	ret->length = (uint32_t)snprintf(ret->text, sizeof(ret->text), "{\"size\":%llu}", size);
	return 0;
}

/* The element of card @rank, with its link. The text is the engine's, so no value has a '<'. */
static char *card_describe(const char *xml, int rank, bool up)
{
	static const char first[] = "<interface", last[] = "</interface>";
	const char *at = strstr(xml, first), *end;
	char *text = NULL;

	while (at && rank-- > 0)
		at = strstr(at + 1, first);
	end = at ? strstr(at, last) : NULL;
	if (!end || asprintf(&text, "%.*s<link state='%s'/>%s", (int)(end - at), at,
			    up ? "up" : "down", last) < 0)
		return NULL;
	return text;
}

int change_link(struct change *c, virDomainPtr domain, const struct wire_order *o)
{
	static const char cards[] = {PLACE_CARD, '\0'};
	const bool up = o->flags & WIRE_ORDER_UP;

	const int rank = place_rank(c, o->card, cards);
	if (rank < 0)
		return rank;
	if (up == !(c->down & BIT64(o->card)))
		return -EALREADY;
	cleanup_free char *text = card_describe(c->xml, rank, up);
	if (!text)
		return -ENOMEM;
	if (vir.virDomainUpdateDeviceFlags(domain, text, VIR_DOMAIN_DEVICE_MODIFY_LIVE) < 0)
		return -EIO;
	c->down = up ? c->down & ~BIT64(o->card) : c->down | BIT64(o->card);
	return 0;
}
