/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "pci/class.h"
#include "view/listing.h"
#include "view/names.h"

#include <stdio.h>

/* Escapes text for a terminal, and then for a quoted string of the DOT language. */
static void put_quoted(const char *raw)
{
	char safe[2 * NAMES_TEXT];

	file_escape(safe, sizeof(safe), raw);
	for (const char *text = safe; *text; text++) {
		if (*text == '"' || *text == '\\')
			(void)putchar('\\');
		(void)putchar(*text);
	}
}

static const char *state_colour(enum inventory_state s)
{
	switch (s) {
	case INVENTORY_FREE:
	case INVENTORY_MAYBE:
	case INVENTORY_READY:
		return "#2e7d32";
	case INVENTORY_BUSY:
	case INVENTORY_LENT:
	case INVENTORY_DEAD:
	case INVENTORY_GROUP:
		return "#c62828";
	case INVENTORY_BRIDGE:
	case INVENTORY_HOST:
	case INVENTORY_NO_IOMMU:
		break;
	}
	return "#757575";
}

static void put_name(const struct tree_node *n)
{
	char address[PCI_ADDRESS_TEXT];

	(void)printf("\"%s\"",
		n->entry ? pci_address_format(n->entry->device.address, address) : n->heading);
}

static void put_device(const struct tree_node *n, const struct listing *l)
{
	const struct pci_device *d = &n->entry->device;
	char text[2 * NAMES_TEXT];

	/* DOT joins clusters of the same name, so members of a group need not be adjacent. */
	if (d->group != PCI_GROUP_NONE)
		(void)printf(
			"  subgraph \"cluster_%d\" { label=\"group %d\"; ", d->group, d->group);
	else
		(void)printf("  { ");
	put_name(n);
	(void)printf(" [color=\"%s\", label=\"%s\\n", state_colour(n->entry->state),
		pci_address_format(d->address, text));
	put_quoted(pci_class_name(d->class));
	(void)printf("\\n");
	names_both(l->names, d, text, sizeof(text));
	put_quoted(text);
	(void)printf("\\n");
	put_quoted(d->driver[0] ? d->driver : "no driver");
	(void)printf(", %s\"] }\n", inventory_state_name(n->entry->state));
}

void listing_dot(const struct listing *l)
{
	const struct tree *t = &l->tree;

	(void)puts("digraph usher {\n"
		   "  rankdir=LR\n"
		   "  node [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=10]\n"
		   "  edge [arrowhead=none]\n"
		   "  graph [fontname=\"sans-serif\", fontsize=10, style=\"rounded,filled\", "
		   "fillcolor=\"#f3f3f3\"]");
	for (size_t i = 0; i < t->count; i++) {
		const struct tree_node *n = &t->list[i];

		if (n->entry) {
			put_device(n, l);
		} else {
			(void)printf("  ");
			put_name(n);
			(void)puts(" [shape=plain]");
		}
		if (n->parent == TREE_TOP)
			continue;
		(void)printf("  ");
		put_name(&t->list[n->parent]);
		(void)printf(" -> ");
		put_name(n);
		(void)puts("");
	}
	(void)puts("}");
}
