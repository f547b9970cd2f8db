/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "pci/class.h"
#include "view/device.h"
#include "view/inventory.h"
#include "view/names.h"
#include "view/wrap.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WIDE 640
#define HANG 15 /* where texts begin */

/* Escapes all output: a snapshot may contain any byte in any text. */
static void print_line(const char *label, const char *text)
{
	char safe[2 * WIDE];
	int n = snprintf(safe, sizeof(safe), "  %-12s ", label);

	file_escape(safe + n, sizeof(safe) - (size_t)n, text);
	wrap_put(stdout, wrap_width(), HANG, safe);
}

static void print_title(const struct device_facts *s, struct names *n)
{
	const struct pci_device *d = &s->device;
	char address[PCI_ADDRESS_TEXT], name[2 * NAMES_TEXT];

	names_both(n, d, name, sizeof(name));
	(void)printf("%s  %s: %s\n", pci_address_format(d->address, address),
		pci_class_name(d->class), name);
}

static void print_serial(const struct pci_serials *x)
{
	char text[WIDE], nvme[4 * sizeof(x->nvme)];

	file_escape(nvme, sizeof(nvme), x->nvme);
	int n = x->has_dsn ? snprintf(text, sizeof(text), "%016" PRIx64, x->dsn) : 0;
	if (x->nvme[0])
		n += snprintf(
			text + n, sizeof(text) - (size_t)n, "%s%s (NVMe)", n ? ", " : "", nvme);
	if (n)
		print_line("serial", text);
}

static void print_identity(const struct device_facts *s)
{
	const struct pci_device *d = &s->device;
	char text[WIDE];

	int n = snprintf(text, sizeof(text), "%04x:%04x", d->vendor, d->device);
	if (d->subvendor || d->subdevice)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ", subsystem %04x:%04x",
			d->subvendor, d->subdevice);
	(void)snprintf(text + n, sizeof(text) - (size_t)n, ", class %06x, revision %02x", d->class,
		d->revision);
	print_line("id", text);
	if (s->place[0])
		print_line("place", s->place);
	print_serial(&s->serials);
	print_line("driver", d->driver[0] ? d->driver : "none");
	if (d->is_locked)
		print_line("override", "unknown: the kernel holds the device's lock");
	else if (d->driver_override[0])
		print_line("override", d->driver_override);
	if (d->numa_node >= 0) {
		(void)snprintf(text, sizeof(text), "%d", d->numa_node);
		print_line("NUMA node", text);
	}
}

static void print_members(const struct device_facts *s)
{
	int number = s->entry->device.group;
	char text[WIDE], address[PCI_ADDRESS_TEXT];
	size_t others = 0;

	for (size_t i = 0; i < s->inventory->count; i++) {
		const struct inventory_entry *x = &s->inventory->list[i];

		if (x->device.group != number || x == s->entry)
			continue;
		if (others++ == 0) {
			(void)snprintf(text, sizeof(text), "%d, with", number);
			print_line("group", text);
		}
		(void)snprintf(text, sizeof(text), "%s %s, %s, %s",
			pci_address_format(x->device.address, address),
			pci_class_name(x->device.class),
			x->device.driver[0] ? x->device.driver : "no driver",
			inventory_state_name(x->state));
		print_line("", text);
	}
	if (others == 0) {
		(void)snprintf(text, sizeof(text), "%d, no other members", number);
		print_line("group", text);
	} else if (s->reason_count == 0) {
		print_line("  because", "of the kernel; ACS does not explain it");
	}
}

static void print_group(const struct device_facts *s)
{
	char text[WIDE];

	if (s->entry->device.group == PCI_GROUP_NONE) {
		print_line("group", "none");
		return;
	}
	print_members(s);
	for (size_t i = 0; i < s->reason_count; i++)
		print_line(i ? "" : "  because",
			device_group_reason(&s->reasons[i], text, sizeof(text)));
}

static void print_logged(const struct device_facts *s)
{
	char text[WIDE];

	for (size_t i = 0; i < s->logged_count; i++) {
		(void)snprintf(text, sizeof(text), "%s: %s", s->logged[i].text, s->logged[i].line);
		print_line(i ? "" : "kernel log", text);
	}
}

static void print_claim(const struct device_facts *s)
{
	const struct claim *c = &s->claim;
	const struct claim_judgement *j = &s->judgement;
	char text[WIDE], address[PCI_ADDRESS_TEXT];

	if (!s->has_claim)
		return;
	pci_address_format(j->device.address, address);
	if (j->standing != CLAIM_STANDING_AT)
		(void)snprintf(text, sizeof(text),
			"'%s' is for another place, so it is not bound at boot", c->name);
	else if (!pci_address_equal(j->device.address, s->device.address))
		(void)snprintf(
			text, sizeof(text), "'%s' of %s makes it at each boot", c->name, address);
	else if (c->vfs)
		(void)snprintf(text, sizeof(text), "'%s': makes %u virtual function%s at each boot",
			c->name, c->vfs, c->vfs == 1 ? "" : "s");
	else
		(void)snprintf(text, sizeof(text), "'%s': binds it to VFIO at each boot", c->name);
	print_line("claim", text);
}

static void print_state(const struct device_facts *s)
{
	const struct inventory_entry *x = s->entry;
	char reason[512], text[WIDE];

	inventory_reason(x, reason, sizeof(reason));
	(void)snprintf(text, sizeof(text), "%s%s%s",
		x->state == INVENTORY_NO_IOMMU ? "no IOMMU" : inventory_state_name(x->state),
		reason[0] ? ", " : "", reason);
	print_line("state", text);
	for (size_t i = 0; i < x->holds.count; i++) {
		const struct hold *o = &x->holds.list[i];

		(void)snprintf(text, sizeof(text), "%s: %s [%s]%s", o->object, o->text, o->check,
			o->absolute ? ", cannot be skipped" : "");
		print_line(i ? "" : "held by", text);
	}
	for (size_t i = 0; i < s->stop_count; i++) {
		const struct hold_stop *stop = &s->stops[i];

		(void)snprintf(
			text, sizeof(text), "%zu. %s: stops %s", i + 1, stop->command, stop->what);
		print_line(i ? "" : "to free it", text);
	}
}

/* The other devices of a hot reset; beyond eight, only their number. */
static void print_hot_reset(const struct pci_hot_reset *hot)
{
	char text[WIDE], address[PCI_ADDRESS_TEXT];

	if (!hot->possible) {
		print_line("hot reset", "none: it is on a root bus, which cannot be reset");
		return;
	}
	pci_address_format(hot->bridge, address);
	int n = snprintf(text, sizeof(text), "by %s, %s", address,
		hot->count ? "also resets" : "resets no other device");
	for (size_t i = 0; i < hot->count && i < 8; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " %s",
			pci_address_format(hot->along[i], address));
	if (hot->count > 8)
		(void)snprintf(text + n, sizeof(text) - (size_t)n, " and %zu more", hot->count - 8);
	print_line("hot reset", text);
}

static void print_resets(const struct device_facts *s)
{
	const char *at = s->device.reset_method;
	char method[PCI_NAME_MAX], text[WIDE];
	bool any = false;

	while (pci_reset_next(&at, method, sizeof(method))) {
		const char *name = pci_reset_name(method);

		(void)snprintf(
			text, sizeof(text), "%s%s%s", method, name ? ": " : "", name ? name : "");
		print_line(any ? "" : "reset", text);
		any = true;
	}
	if (!any)
		print_line("reset", "none of its own");
	if (!s->device.is_bridge)
		print_hot_reset(&s->hot);
}

static void print_power(const struct pci_sleep *p)
{
	char text[WIDE];
	const char *control = strcmp(p->control, "on") == 0     ? ", kept awake"
			      : strcmp(p->control, "auto") == 0 ? ", may sleep when idle"
								: "";

	if (!p->state[0] && !p->control[0])
		return;
	(void)snprintf(text, sizeof(text), "%s%s%s", p->state[0] ? p->state : "unknown", control,
		p->cold[0] == '1'   ? ", D3cold allowed"
		: p->cold[0] == '0' ? ", D3cold forbidden"
				    : "");
	print_line("power", text);
}

/* A device without errors is the rule: it has no line. */
static void print_errors(const struct device_facts *s)
{
	const char *label = "errors";
	char text[WIDE];

	if (s->reset_failed) {
		print_line(label, "its reset after its last use failed, so it stays on VFIO");
		label = "";
	}

	for (unsigned kind = 0; kind < PCI_AERS && s->has_errors; kind++) {
		const struct pci_aer_count *c = &s->errors[kind];
		if (!c->total)
			continue;
		(void)snprintf(text, sizeof(text), "%" PRIu64 " %s since it was found: %s",
			c->total, pci_aer_name(kind), c->names);
		print_line(label, text);
		label = "";
	}
}

static const char *act_text(const struct bind_member *m, char *buf, size_t size)
{
	const char *from = m->device.driver[0] ? m->device.driver : "no driver";

	if (m->act == BIND_ACT_STAYS && !m->device.driver[0])
		(void)snprintf(buf, size, "remains without a driver");
	else if (m->act == BIND_ACT_STAYS)
		(void)snprintf(buf, size, "stays on %s", from);
	else if (m->act == BIND_ACT_ALREADY)
		(void)snprintf(buf, size, "is already bound to %s", m->driver);
	else
		(void)snprintf(buf, size, "moves from %s to %s", from, m->driver);
	return buf;
}

static void print_plan(const struct device_facts *s)
{
	const struct bind_plan *p = &s->plan;
	char text[WIDE], act[160], address[PCI_ADDRESS_TEXT];

	if (s->entry->device.is_bridge)
		return;
	print_line("if lent", p->refusals ? "bind would refuse" : "bind would succeed");
	for (size_t i = 0; i < p->group_count && !p->refusals; i++) {
		for (size_t k = 0; k < p->groups[i].count; k++) {
			const struct bind_member *m = &p->groups[i].members[k];

			(void)snprintf(text, sizeof(text), "%s %s",
				pci_address_format(m->device.address, address),
				act_text(m, act, sizeof(act)));
			print_line("", text);
		}
	}
	for (size_t i = 0; i < p->problem_count; i++) {
		const struct bind_problem *b = &p->problems[i];

		(void)snprintf(text, sizeof(text), "%s%s: %s [%s]",
			b->refuses ? "" : "note: ", b->object, b->text, b->check);
		print_line("", text);
		/* Several holds may share one fix: print it after the last of them. */
		bool again =
			i + 1 < p->problem_count && strcmp(p->problems[i + 1].fix, b->fix) == 0;
		if (b->fix[0] && !again) {
			(void)snprintf(text, sizeof(text), "  %s", b->fix);
			print_line("", text);
		}
	}
}

void device_text(const struct device_facts *s, struct names *n)
{
	print_title(s, n);
	print_identity(s);
	space_print(&s->space);
	print_group(s);
	print_resets(s);
	print_state(s);
	print_logged(s);
	print_errors(s);
	print_claim(s);
	print_power(&s->sleep);
	print_plan(s);
}
