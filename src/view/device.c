/* SPDX-License-Identifier: MIT */
#include "view/device.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "bind/gate.h"
#include "bind/journal.h"
#include "check/kernlog.h"
#include "pci/capability.h"
#include "view/claims.h"
#include "view/inventory.h"
#include "view/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The plan of `usher bind`. Planning only reads, so it works on a snapshot. */
static int ask_plan(struct device_facts *s, struct host *h, struct err *e)
{
	const struct bind_target target = {.address = s->entry->device.address};
	const struct bind_request q = {
		.targets = &target,
		.target_count = 1,
		.access = BIND_ACCESS_NONE,
		.is_shown_only = true,
	};
	struct bind_env env = bind_env_live();

	env.host = h;
	return bind_plan(&env, &q, &s->plan, e);
}

/* Selects all devices of the inventory, or those of one group. Return: their number. */
static size_t choose_devices(const struct inventory *v, int group, const struct pci_device **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < v->count; i++)
		if (group == PCI_GROUP_NONE || v->list[i].device.group == group)
			ret[n++] = &v->list[i].device;
	return n;
}

static int read_surroundings(struct device_facts *s, struct host *h, struct err *e)
{
	const struct inventory *v = s->inventory;
	cleanup_free const struct pci_device **list = calloc(v->count + 1, sizeof(*list));
	int group = s->entry->device.group;

	if (!list)
		return err_set(e, -ENOMEM, "show a device");
	size_t n = choose_devices(v, PCI_GROUP_NONE, list);
	int r = pci_hot_reset_read(h, s->entry->device.address, list, n, &s->hot);
	if (r < 0)
		return err_set(e, r, "show a device");
	if (group == PCI_GROUP_NONE)
		return 0;
	n = choose_devices(v, group, list);
	s->reason_count = n < 2 ? 0 : pci_isolation_read(h, list, n, s->reasons);
	return 0;
}

/* If usher cannot read the claims, it still shows the device. */
static void read_claim(struct device_facts *s, struct host *h)
{
	struct claims c;
	size_t i;

	if (claims_read(h, &c, NULL) == 0 && claims_about(&c, h, s->device.address, &i)) {
		s->has_claim = true;
		s->claim = c.list[i];
		s->judgement = c.judgements[i];
	}
	claims_fini(&c);
}

static void read_logged(struct device_facts *s, struct host *h)
{
	static const enum kernlog_cause causes[] = {
		KERNLOG_COLD, KERNLOG_LOST, KERNLOG_RESET, KERNLOG_WAITS, KERNLOG_HUNG};
	struct kernlog log;

	if (kernlog_read(h, &log) < 0)
		return;
	for (size_t i = 0; i < COUNT(causes) && s->logged_count < DEVICE_LOGGED_MAX; i++) {
		const struct kernlog_event *x = kernlog_find(&log, s->device.address, causes[i]);
		struct device_logged *to = &s->logged[s->logged_count];

		if (!x)
			continue;
		to->text = kernlog_advice(x->cause)->text;
		(void)snprintf(to->line, sizeof(to->line), "%.*s",
			(int)(x->len < sizeof(to->line) ? x->len : sizeof(to->line) - 1), x->line);
		s->logged_count++;
	}
	kernlog_fini(&log);
}

/* Only root may read the journal. */
static void read_journal(struct device_facts *s, struct host *h)
{
	struct bind_entry entry = BIND_ENTRY_NONE;
	struct bind_env env = bind_env_live();

	env.host = h;
	if (s->device.group == PCI_GROUP_NONE ||
		bind_journal_read(&env, s->device.group, &entry, NULL) < 0)
		return;
	const struct bind_was *was = bind_entry_find(&entry, s->device.address);
	char boot[BIND_BOOT_MAX];
	/* One of another boot is void. */
	s->reset_failed = was && was->unwiped && bind_boot_id(h, boot, NULL) == 0 &&
			  strcmp(boot, entry.boot) == 0;
	bind_entry_fini(&entry);
}

static void read_errors(struct device_facts *s, struct host *h, struct pci_address a)
{
	s->has_errors = true;
	for (unsigned kind = 0; kind < PCI_AERS && s->has_errors; kind++)
		s->has_errors = pci_aer_read(h, a, kind, &s->errors[kind]) == 0;
}

int device_facts_read(struct host *h, const struct inventory *v, const struct inventory_entry *x,
	struct device_facts *ret, struct err *e)
{
	struct pci_address a = x->device.address;

	*ret = (struct device_facts){.inventory = v, .entry = x, .plan = BIND_PLAN_NONE};
	space_read(h, &x->device, &ret->space);
	if (claim_path_read(h, a, ret->place) < 0)
		ret->place[0] = '\0';
	pci_serials_read(h, a, &ret->space.config, &ret->serials);
	pci_sleep_read(h, a, &ret->sleep);
	read_errors(ret, h, a);
	int r = pci_device_read(h, a, &ret->device, e);
	if (r < 0)
		return r;
	read_claim(ret, h);
	read_logged(ret, h);
	read_journal(ret, h);
	r = read_surroundings(ret, h, e);
	r = r < 0 ? r : ask_plan(ret, h, e);
	if (r < 0)
		device_facts_fini(ret);
	else if (ret->device.driver[0] && !bind_on_vfio(h, &ret->device))
		ret->stop_count = hold_stops_read(h, &ret->device, &x->holds, ret->stops);
	return r;
}

void device_facts_fini(struct device_facts *s)
{
	bind_plan_fini(&s->plan);
	pci_hot_reset_fini(&s->hot);
}

static const char *port_name(const struct pci_reason *r)
{
	return r->is_express ? pci_express_type_name(r->type) : "conventional PCI";
}

const char *device_group_reason(const struct pci_reason *r, char *buf, size_t size)
{
	static const char *const effects[] = {
		[PCI_REASON_PORT] = "the devices behind it share a group",
		[PCI_REASON_SLOT] = "the functions of its slot share a group",
	};
	char address[PCI_ADDRESS_TEXT], bits[16], why[96] = "";

	switch (r->acs.verdict) {
	case PCI_ACS_LACKS:
		(void)snprintf(why, sizeof(why), " (%s) has ACS, but %s is off", port_name(r),
			pci_acs_bits(r->acs.missing, bits, sizeof(bits)));
		break;
	case PCI_ACS_ABSENT:
		(void)snprintf(why, sizeof(why), " (%s) has no ACS", port_name(r));
		break;
	case PCI_ACS_BRIDGE:
		(void)snprintf(why, sizeof(why), " (%s) cannot isolate devices", port_name(r));
		break;
	case PCI_ACS_UNKNOWN:
		(void)snprintf(why, sizeof(why), ": %s",
			r->error == -EACCES ? "only root can read its ACS"
					    : "its ACS cannot be read");
		break;
	case PCI_ACS_ISOLATES:
		break;
	}
	(void)snprintf(buf, size, "%s%s: %s", pci_address_format(r->address, address), why,
		effects[r->kind]);
	return buf;
}
