/* SPDX-License-Identifier: MIT */
#include "view/column.h"

#include "base/num.h"
#include "pci/class.h"
#include "view/listing.h"
#include "view/names.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef const struct listing listing;
typedef const struct inventory_entry entry;

static void cell_put(char *buf, size_t size, const char *text)
{
	(void)snprintf(buf, size, "%s", text[0] ? text : "-");
}

static void fill_address(listing *l, entry *x, char *buf, size_t size)
{
	char text[PCI_ADDRESS_TEXT];

	cell_put(buf, size, pci_address_format(x->device.address, text));
}

static void fill_group(listing *l, entry *x, char *buf, size_t size)
{
	if (x->device.group == PCI_GROUP_NONE)
		cell_put(buf, size, "");
	else
		(void)snprintf(buf, size, "%d", x->device.group);
}

static void fill_class(listing *l, entry *x, char *buf, size_t size)
{
	cell_put(buf, size, pci_class_name(x->device.class));
}

static void fill_device(listing *l, entry *x, char *buf, size_t size)
{
	names_both(l->names, &x->device, buf, size);
}

static void fill_id(listing *l, entry *x, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%04x:%04x", x->device.vendor, x->device.device);
}

static void fill_subsystem(listing *l, entry *x, char *buf, size_t size)
{
	if (x->device.subvendor || x->device.subdevice)
		(void)snprintf(buf, size, "%04x:%04x", x->device.subvendor, x->device.subdevice);
	else
		cell_put(buf, size, "");
}

static void fill_revision(listing *l, entry *x, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%02x", x->device.revision);
}

static void fill_driver(listing *l, entry *x, char *buf, size_t size)
{
	cell_put(buf, size, x->device.driver);
}

static void fill_state(listing *l, entry *x, char *buf, size_t size)
{
	cell_put(buf, size, inventory_state_name(x->state));
}

static void fill_used_by(listing *l, entry *x, char *buf, size_t size)
{
	inventory_reason(x, buf, size);
}

static void fill_numa(listing *l, entry *x, char *buf, size_t size)
{
	if (x->device.numa_node < 0)
		cell_put(buf, size, "");
	else
		(void)snprintf(buf, size, "%d", x->device.numa_node);
}

static void fill_reset(listing *l, entry *x, char *buf, size_t size)
{
	cell_put(buf, size, x->device.reset_method);
	for (char *c = buf; (c = strchr(c, ' ')); c++)
		*c = ',';
}

static void fill_sriov(listing *l, entry *x, char *buf, size_t size)
{
	struct pci_vfs f = listing_vfs(l, x);
	char text[PCI_ADDRESS_TEXT];

	cell_put(buf, size, "");
	if (f.is_virtual)
		(void)snprintf(buf, size, "of %s", pci_address_format(f.physical, text));
	else if (f.total)
		(void)snprintf(buf, size, "%u/%u", f.active, f.total);
}

static void fill_name(listing *l, entry *x, char *buf, size_t size)
{
	char text[COLUMN_TEXT] = "";

	lookup_names_of(&l->nodes, x->device.address, text, sizeof(text));
	cell_put(buf, size, text);
}

static void fill_above(listing *l, entry *x, char *buf, size_t size)
{
	char text[PCI_ADDRESS_TEXT] = "";

	if (x->device.has_parent)
		pci_address_format(x->device.parent, text);
	cell_put(buf, size, text);
}

static const struct column known[] = {
	{"address", TABLE_TREE, fill_address},
	{"group", TABLE_RIGHT, fill_group},
	{"class", TABLE_LEFT, fill_class},
	{"device", TABLE_SHRINK, fill_device},
	{"id", TABLE_LEFT, fill_id},
	{"subsystem", TABLE_LEFT, fill_subsystem},
	{"revision", TABLE_LEFT, fill_revision},
	{"driver", TABLE_LEFT, fill_driver},
	{"numa", TABLE_RIGHT, fill_numa},
	{"reset", TABLE_LEFT, fill_reset},
	{"sriov", TABLE_LEFT, fill_sriov},
	{"name", TABLE_LEFT, fill_name},
	{"above", TABLE_LEFT, fill_above},
	{"state", TABLE_LEFT, fill_state},
	{"used-by", TABLE_WRAP, fill_used_by},
};

const char *column_name_at(unsigned i)
{
	return i < COUNT(known) ? known[i].name : NULL;
}

static const struct column *column_find(const char *name, size_t len)
{
	for (size_t i = 0; i < COUNT(known); i++)
		if (strlen(known[i].name) == len && strncasecmp(known[i].name, name, len) == 0)
			return &known[i];
	return NULL;
}

struct columns columns_default(void)
{
	struct columns c = {0};

	(void)columns_parse(
		&c, "address,class,device,driver,numa,reset,sriov,state,used-by", (char[32]){0});
	return c;
}

int columns_parse(struct columns *c, const char *text, char ret_wrong[32])
{
	bool adds = *text == '+';

	if (adds)
		text++;
	else
		c->count = 0;
	for (;;) {
		size_t n = strcspn(text, ",");
		const struct column *one = column_find(text, n);

		if (!one) {
			(void)snprintf(ret_wrong, 32, "%.*s", n < 31 ? (int)n : 31, text);
			return -EINVAL;
		}
		if (c->count == COLUMNS_MAX)
			return -E2BIG;
		/* '+' skips a column that is there; a complete list may name one twice. */
		if (!adds || !columns_find(c, one->name))
			c->list[c->count++] = one;
		if (!text[n])
			return 0;
		text += n + 1;
	}
}

const struct column *columns_find(const struct columns *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->list[i]->name, name) == 0)
			return c->list[i];
	return NULL;
}

void columns_drop(struct columns *c, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->list[i]->name, name) != 0)
			c->list[n++] = c->list[i];
	c->count = n;
}

unsigned columns_parts(const struct columns *c)
{
	return (columns_find(c, "sriov") ? LISTING_VFS : 0) |
	       (columns_find(c, "name") ? LISTING_NODES : 0);
}

void column_heading(const struct column *c, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s", c->name);
	for (; *buf; buf++)
		*buf = *buf == '-' ? ' ' : (char)toupper((unsigned char)*buf);
}
