/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/num.h"
#include "pci/class.h"
#include "view/column.h"
#include "view/listing.h"
#include "view/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * How it works: one row per device, indented by its depth, as a file manager shows directories. The
 * boxes of groups are drawn behind the rows. All sizes are pixels. The font is monospaced, so the
 * width of a text is known without measuring it.
 */
enum {
	MARGIN = 14,
	ROW = 42, /* from one row to the next */
	BOX = 34, /* height of a device's box */
	INDENT = 30,
	BOX_WIDTH = 620,
	LABEL = 84, /* room for a group's name, right of the boxes */
	CHAR = 7, /* width of a character of 12 pixels */
	SMALL = 6, /* and of one of 10 */
};

static unsigned left_of(const struct tree_node *n)
{
	/* A hostile snapshot may be deep, but the picture has a bounded width. */
	return MARGIN + INDENT * (n->depth < 24 ? n->depth : 24);
}

static unsigned top_of(size_t row)
{
	return (unsigned)(MARGIN + ROW * row);
}

/* Writes at most @max characters as XML text. */
static void put_escaped(const char *text, size_t max)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n && i < max; i++) {
		unsigned char c = (unsigned char)text[i];

		if (n > max && i + 1 == max)
			(void)fputs("…", stdout);
		else if (c == '&')
			(void)fputs("&amp;", stdout);
		else if (c == '<')
			(void)fputs("&lt;", stdout);
		else if (c == '>')
			(void)fputs("&gt;", stdout);
		else if (c == '"')
			(void)fputs("&quot;", stdout);
		else
			(void)putchar(c < 0x20 || c > 0x7e ? '?' : c);
	}
}

static const char *state_class(enum inventory_state s)
{
	switch (s) {
	case INVENTORY_FREE:
	case INVENTORY_MAYBE:
	case INVENTORY_READY:
		return "good";
	case INVENTORY_BUSY:
	case INVENTORY_LENT:
	case INVENTORY_DEAD:
	case INVENTORY_GROUP:
		return "bad";
	case INVENTORY_BRIDGE:
	case INVENTORY_HOST:
	case INVENTORY_NO_IOMMU:
		break;
	}
	return "dim";
}

static int group_of(const struct tree_node *n)
{
	return n->entry ? n->entry->device.group : PCI_GROUP_NONE;
}

/* Adjacent members of a group share a box. Boxes of the same group have the same colour. */
static void put_groups(const struct tree *t, unsigned right)
{
	static const char *const fills[] = {"#e3f2fd", "#fff3e0", "#e8f5e9", "#f3e5f5", "#fffde7",
		"#e0f7fa", "#fbe9e7", "#eceff1"};

	for (size_t i = 0, n; i < t->count; i += n) {
		unsigned left = left_of(&t->list[i]);
		int group = group_of(&t->list[i]);

		for (n = 1; i + n < t->count && group_of(&t->list[i + n]) == group; n++)
			if (left_of(&t->list[i + n]) < left)
				left = left_of(&t->list[i + n]);
		if (group == PCI_GROUP_NONE)
			continue;
		unsigned top = top_of(i) - 3, height = (unsigned)(ROW * n) - 2;
		(void)printf("<rect class=\"group\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" "
			     "rx=\"7\" fill=\"%s\"/>\n",
			left - 5, top, right - left + 10, height,
			fills[(unsigned)group % COUNT(fills)]);
		(void)printf("<text class=\"label\" x=\"%u\" y=\"%u\">group %d</text>\n", right - 6,
			top + height / 2 + 4, group);
	}
}

/* From below the parent's left edge down, then right to the child. */
static void put_line(const struct tree *t, size_t i)
{
	const struct tree_node *n = &t->list[i];

	if (n->parent == TREE_TOP)
		return;
	(void)printf("<path class=\"line\" d=\"M%u %uV%uH%u\"/>\n",
		left_of(&t->list[n->parent]) + 12, top_of(n->parent) + BOX, top_of(i) + BOX / 2,
		left_of(n));
}

static void put_device(const struct tree_node *n, size_t row, const struct listing *l)
{
	const struct pci_device *d = &n->entry->device;
	unsigned x = left_of(n), y = top_of(row);
	char text[COLUMN_TEXT], address[PCI_ADDRESS_TEXT];
	const char *state = inventory_state_name(n->entry->state);
	size_t room = (BOX_WIDTH - 20) / CHAR, small = (BOX_WIDTH - 130) / SMALL;

	inventory_reason(n->entry, text, sizeof(text));
	(void)printf("<g><title>");
	put_escaped(text[0] ? text : state, sizeof(text));
	(void)printf("</title><rect class=\"box %s\" x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\" "
		     "rx=\"4\"/>",
		state_class(n->entry->state), x, y, BOX_WIDTH, BOX);
	(void)printf("<text x=\"%u\" y=\"%u\"><tspan class=\"address\">%s</tspan>  ", x + 8, y + 14,
		pci_address_format(d->address, address));
	put_escaped(pci_class_name(d->class), room - 40);
	(void)printf("</text><text class=\"name\" x=\"%u\" y=\"%u\">", x + 8, y + 28);
	names_both(l->names, d, text, sizeof(text));
	put_escaped(text, small);
	(void)printf("</text><text class=\"right %s\" x=\"%u\" y=\"%u\">%s</text>",
		state_class(n->entry->state), x + BOX_WIDTH - 8, y + 14, state);
	(void)printf("<text class=\"right name\" x=\"%u\" y=\"%u\">", x + BOX_WIDTH - 8, y + 28);
	put_escaped(d->driver[0] ? d->driver : "no driver", 20);
	(void)puts("</text></g>");
}

static const char style[] = "<style>\n"
			    "text{font:12px monospace;fill:#212121;white-space:pre}\n"
			    ".address{font-weight:bold}\n"
			    ".name{font-size:10px;fill:#616161}\n"
			    ".right,.label{text-anchor:end}\n"
			    ".label{font-size:11px;fill:#424242}\n"
			    ".box{fill:#ffffff;stroke:#9e9e9e}\n"
			    ".box.good{stroke:#2e7d32}.box.bad{stroke:#c62828}\n"
			    "text.good{fill:#2e7d32}text.bad{fill:#c62828}text.dim{fill:#757575}\n"
			    ".group{stroke:#90a4ae;stroke-dasharray:4 3}\n"
			    ".line{fill:none;stroke:#9e9e9e}\n"
			    "</style>\n";

int listing_svg(const struct listing *l, struct err *e)
{
	const struct tree *t = &l->tree;
	unsigned deepest = MARGIN;

	for (size_t i = 0; i < t->count; i++)
		deepest = left_of(&t->list[i]) > deepest ? left_of(&t->list[i]) : deepest;
	if (t->count > UINT32_MAX / ROW / 2)
		return err_say(e, -EFBIG, "draw %zu devices: too many for one picture", t->count);
	unsigned right = deepest + BOX_WIDTH + LABEL, width = right + MARGIN;
	unsigned height = top_of(t->count) + MARGIN;
	(void)printf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
		     "viewBox=\"0 0 %u %u\">\n%s",
		width, height, width, height, style);
	(void)printf("<rect width=\"%u\" height=\"%u\" fill=\"#ffffff\"/>\n", width, height);
	put_groups(t, right);
	for (size_t i = 0; i < t->count; i++)
		put_line(t, i);
	for (size_t i = 0; i < t->count; i++) {
		const struct tree_node *n = &t->list[i];

		if (n->entry)
			put_device(n, i, l);
		else
			(void)printf("<text class=\"address\" x=\"%u\" y=\"%u\">%s</text>\n",
				left_of(n), top_of(i) + BOX / 2 + 4, n->heading);
	}
	(void)puts("</svg>");
	return 0;
}
