/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "pci/class.h"
#include "view/findings.h"
#include "view/lookup.h"
#include "view/names.h"
#include "view/table.h"
#include "view/wrap.h"

#include <stdio.h>
#include <string.h>

#define KIND_TEXT 24
#define NAME_TEXT 21 /* a longer name is cut: `usher list` has all of it */
#define VERDICT_ROOM 40 /* [columns] from which on continuation lines start below the verdict */
#define FOLD_MIN 4 /* so many equal functions in a row are one line */

/* Words as people use them; others are named by their class. */
static const char *kind_name(uint32_t class)
{
	switch (class >> 16) {
	case 0x01:
		return "disk";
	case 0x02:
		return "network";
	case 0x03:
		return "display";
	case 0x12:
		return "accelerator";
	case 0x10:
		return "crypto";
	default:
		break;
	}
	switch (class >> 8) {
	case 0x0401:
	case 0x0403:
		return "audio";
	case 0x0c03:
		return "USB";
	default:
		return pci_class_name(class);
	}
}

/* "GA104 [GeForce RTX 3070]" as "GeForce RTX 3070": the name on the box. */
static void name_shorten(char *name)
{
	char *open = strchr(name, '['), *close = open ? strchr(open, ']') : NULL;

	if (close && !close[1])
		(void)snprintf(name, (size_t)(close - open), "%s", open + 1);
}

static void name_cut(const char *name, char buf[NAME_TEXT])
{
	bool fits = strlen(name) < NAME_TEXT;

	(void)snprintf(buf, NAME_TEXT, "%.*s%s", fits ? NAME_TEXT - 1 : NAME_TEXT - 3, name,
		fits ? "" : "..");
}

/* What a person calls it: the interface or disk, else the product, else its ids. */
static void device_name(const struct findings *f, const struct pci_device *d, char buf[NAME_TEXT])
{
	unsigned base = d->class >> 16;
	char name[NAMES_TEXT] = "";

	if (base == 0x01 || base == 0x02)
		lookup_names_of(f->nodes, d->address, name, sizeof(name));
	if (!name[0])
		names_device(f->names, d, name);
	if (base == 0x03)
		name_shorten(name);
	if (!name[0])
		(void)snprintf(name, sizeof(name), "%04x:%04x", d->vendor, d->device);
	name_cut(name, buf);
}

/* Whether @v is about another function of the card of @before, with the same problems. */
static bool is_companion(const struct check_verdict *before, const struct check_verdict *v)
{
	const struct pci_device *a = &before->device, *b = &v->device;

	return a->group == b->group && a->group != PCI_GROUP_NONE && before->kind == v->kind &&
	       v->kind != CHECK_LENDABLE && before->count == v->count &&
	       a->address.domain == b->address.domain && a->address.bus == b->address.bus &&
	       a->address.dev == b->address.dev;
}

static void describe_kind(
	const struct check_verdict *v, const struct findings *f, char *buf, size_t size)
{
	char more[40] = "";

	if (v->count > 1)
		(void)snprintf(more, sizeof(more), " (and %zu more)", v->count - 1);
	switch (v->kind) {
	case CHECK_LENDABLE:
		(void)snprintf(buf, size, "can be lent%s%s", v->text[0] ? ", " : "", v->text);
		return;
	case CHECK_STEP:
		(void)snprintf(buf, size, "after %zu step%s: %s%s%s%s", v->count,
			v->count > 1 ? "s" : "", v->text, more, f->brief || !v->why[0] ? "" : "; ",
			f->brief ? "" : v->why);
		return;
	case CHECK_CANNOT:
		(void)snprintf(buf, size, "cannot: %s%s", v->text, more);
		return;
	case CHECK_UNKNOWN:
		(void)snprintf(buf, size, "unknown: %s", v->text);
		return;
	}
}

static void describe_verdict(
	const struct check_verdict *v, const struct findings *f, char *buf, size_t size)
{
	describe_kind(v, f, buf, size);
	size_t used = strlen(buf);
	if (v->claim[0])
		(void)snprintf(buf + used, size - used, "; %s", v->claim);
}

/* Virtual functions of one card, for example. */
static bool is_same(const struct check_verdict *a, const struct check_verdict *b)
{
	return a->device.vendor == b->device.vendor && a->device.device == b->device.device &&
	       a->device.class == b->device.class && a->kind == b->kind && a->count == b->count &&
	       strcmp(a->text, b->text) == 0 && strcmp(a->claim, b->claim) == 0;
}

static size_t count_same(const struct check_report *r, size_t at)
{
	size_t n = 1;

	while (at + n < r->verdict_count && is_same(&r->verdicts[at], &r->verdicts[at + n]))
		n++;
	return n >= FOLD_MIN ? n : 1;
}

struct widths {
	int address;
	int kind;
	int name;
};

static void print_verdict(const struct findings *f, size_t at, size_t count, const struct widths *w)
{
	const struct check_verdict *v = &f->report->verdicts[at];
	char address[PCI_ADDRESS_TEXT], last[PCI_ADDRESS_TEXT], name[NAME_TEXT];
	char verdict[1024], line[1200], more[64] = "";
	unsigned width = wrap_width();

	/* The first function of a card says it. */
	size_t first = at;
	while (f->brief && first && is_companion(v - (at - first) - 1, v))
		first--;
	if (first != at)
		(void)snprintf(verdict, sizeof(verdict), "as %s",
			pci_address_format(f->report->verdicts[first].device.address, last));
	else
		describe_verdict(v, f, verdict, sizeof(verdict));
	device_name(f, &v->device, name);
	if (count > 1)
		(void)snprintf(more, sizeof(more), "to %s, %zu devices: ",
			pci_address_format(
				f->report->verdicts[at + count - 1].device.address, last),
			count);
	int column = snprintf(line, sizeof(line), "%-*s  %-*s  %-*s  ", w->address,
		pci_address_format(v->device.address, address), w->kind, kind_name(v->device.class),
		w->name, name);
	(void)snprintf(line + column, sizeof(line) - (size_t)column, "%s%s", more, verdict);
	bool fits = width >= (unsigned)column + VERDICT_ROOM;
	bool green = v->kind == CHECK_LENDABLE && table_wants_colour();
	(void)fputs(green ? "\033[32m" : "", stdout);
	wrap_put(stdout, width, fits ? (unsigned)column : sizeof("0000:00:00.0 "), line);
	(void)fputs(green ? "\033[0m" : "", stdout);
}

void verdicts_text(const struct findings *f)
{
	const struct check_report *r = f->report;
	struct widths w = {0};
	char name[NAME_TEXT], address[PCI_ADDRESS_TEXT];
	size_t count;

	for (size_t i = 0; i < r->verdict_count; i++) {
		const struct pci_device *d = &r->verdicts[i].device;
		int kind = (int)strlen(kind_name(d->class));

		device_name(f, d, name);
		int length = (int)strlen(pci_address_format(d->address, address));
		w.address = length > w.address ? length : w.address;
		w.kind = kind > w.kind ? kind : w.kind;
		w.name = (int)strlen(name) > w.name ? (int)strlen(name) : w.name;
	}
	for (size_t i = 0; i < r->verdict_count; i += count) {
		count = count_same(r, i);
		print_verdict(f, i, count, &w);
	}
}
