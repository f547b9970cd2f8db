/* SPDX-License-Identifier: MIT */
#include "view/claims.h"
#include "view/device.h"
#include "view/inventory.h"
#include "view/inventory_json.h"
#include "view/json.h"
#include "view/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static void put_identity(struct json *map, const struct device_facts *s)
{
	const struct pci_serials *x = &s->serials;
	char text[32];

	json_put_text(map, "path", or_null(s->place));
	(void)snprintf(text, sizeof(text), "%016" PRIx64, x->dsn);
	json_put_text(map, "serial_number", x->has_dsn ? text : NULL);
	json_put_text(map, "nvme_serial", or_null(x->nvme));
	json_put_text(map, "driver_override", or_null(s->device.driver_override));
	json_put_flag(map, "locked", s->device.is_locked);
}

/* A list of the words of @text. */
static void put_words(struct json *map, const char *key, const char *text)
{
	struct json *list = json_put_list(map, key);
	char word[16];

	for (size_t n; *text; text += n + (text[n] == ' ')) {
		n = strcspn(text, " ");
		(void)snprintf(word, sizeof(word), "%.*s", (int)n, text);
		json_push_text(list, word);
	}
}

static void put_reason(struct json *list, const struct pci_reason *r)
{
	static const char *const verdicts[] = {
		[PCI_ACS_ISOLATES] = "isolates",
		[PCI_ACS_LACKS] = "off",
		[PCI_ACS_ABSENT] = "absent",
		[PCI_ACS_BRIDGE] = "conventional",
		[PCI_ACS_UNKNOWN] = "unknown",
	};
	struct json *one = json_push_map(list);
	char text[256];

	json_put_text(one, "address", pci_address_format(r->address, text));
	json_put_text(one, "kind", r->kind == PCI_REASON_PORT ? "port" : "slot");
	json_put_text(one, "acs", verdicts[r->acs.verdict]);
	put_words(one, "missing", pci_acs_bits(r->acs.missing, text, sizeof(text)));
	json_put_text(one, "text", device_group_reason(r, text, sizeof(text)));
}

static void put_group(struct json *map, const struct device_facts *s)
{
	struct json *members = json_put_list(map, "group_members");
	char address[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < s->inventory->count; i++) {
		const struct pci_device *d = &s->inventory->list[i].device;

		if (d->group == s->entry->device.group && d->group != PCI_GROUP_NONE)
			json_push_text(members, pci_address_format(d->address, address));
	}
	struct json *reasons = json_put_list(map, "group_reasons");
	for (size_t i = 0; i < s->reason_count; i++)
		put_reason(reasons, &s->reasons[i]);
}

static void put_hot_reset(struct json *map, const struct pci_hot_reset *hot)
{
	char address[PCI_ADDRESS_TEXT];

	if (!hot->possible) {
		json_put_null(map, "hot_reset");
		return;
	}
	struct json *one = json_put_map(map, "hot_reset");
	json_put_text(one, "bridge", pci_address_format(hot->bridge, address));
	struct json *along = json_put_list(one, "takes_along");
	for (size_t i = 0; i < hot->count; i++)
		json_push_text(along, pci_address_format(hot->along[i], address));
}

static void put_power(struct json *map, const struct pci_sleep *p)
{
	struct json *one = json_put_map(map, "power");

	json_put_text(one, "state", or_null(p->state));
	json_put_text(one, "control", or_null(p->control));
	json_put_text(one, "runtime_status", or_null(p->status));
	if (p->cold[0])
		json_put_flag(one, "d3cold_allowed", p->cold[0] == '1');
	else
		json_put_null(one, "d3cold_allowed");
}

static void put_errors(struct json *map, const struct device_facts *s)
{
	json_put_flag(map, "reset_failed", s->reset_failed);
	if (!s->has_errors) {
		json_put_null(map, "errors");
		return;
	}
	struct json *one = json_put_map(map, "errors");
	for (unsigned kind = 0; kind < PCI_AERS; kind++)
		json_put_number(one, pci_aer_name(kind), s->errors[kind].total);
}

/* What to stop before its driver can give it up, in this order. */
static void put_stops(struct json *map, const struct device_facts *s)
{
	struct json *list = json_put_list(map, "to_free");

	for (size_t i = 0; i < s->stop_count; i++) {
		const struct hold_stop *stop = &s->stops[i];
		struct json *one = json_push_map(list);

		json_put_text(one, "kind", hold_stop_kind_name(stop->kind));
		json_put_text(one, "command", stop->command);
		json_put_text(one, "what", stop->what);
	}
}

static void put_logged(struct json *map, const struct device_facts *s)
{
	struct json *list = json_put_list(map, "kernel_log");

	for (size_t i = 0; i < s->logged_count; i++) {
		struct json *one = json_push_map(list);

		json_put_text(one, "text", s->logged[i].text);
		json_put_text(one, "line", s->logged[i].line);
	}
}

static void put_claim(struct json *map, const struct device_facts *s)
{
	if (s->has_claim)
		claims_put(json_put_map(map, "claim"), &s->claim, &s->judgement);
	else
		json_put_null(map, "claim");
}

void device_json(struct json *map, const struct device_facts *s, struct names *n)
{
	inventory_json(map, s->entry, n);
	put_identity(map, s);
	put_stops(map, s);
	put_logged(map, s);
	put_claim(map, s);
	put_group(map, s);
	put_hot_reset(map, &s->hot);
	put_power(map, &s->sleep);
	put_errors(map, s);
	space_put(map, &s->space);
	struct json *plan = json_put_map(map, "if_lent");
	json_put_flag(plan, "refused", s->plan.refusals != 0);
	plan_json(plan, &s->plan);
}
