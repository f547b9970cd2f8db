/* SPDX-License-Identifier: MIT */
#include "view/guide.h"
#include "view/json.h"

#include <stdio.h>
#include <string.h>

const struct check_verdict *guide_verdict(const struct guide *g)
{
	for (size_t i = 0; i < g->report->verdict_count; i++)
		if (pci_address_equal(g->report->verdicts[i].device.address, g->device.address))
			return &g->report->verdicts[i];
	return NULL;
}

/* A step before an unbind says again what the use of the same device is. */
bool guide_shows(const struct guide *g, const struct check_finding *f)
{
	if (f->severity == CHECK_INFO)
		return false;
	for (size_t i = 0; i < g->report->count; i++) {
		const struct check_finding *other = &g->report->list[i];
		if (strcmp(f->rule->name, "unbind") == 0 && other->severity == CHECK_FAIL &&
			strcmp(other->object, f->object) == 0)
			return false;
	}
	return true;
}

static void device_put(struct json *to, const struct pci_device *d)
{
	char address[PCI_ADDRESS_TEXT], id[16];

	(void)snprintf(id, sizeof(id), "%04x:%04x", d->vendor, d->device);
	json_put_text(to, "address", pci_address_format(d->address, address));
	json_put_text(to, "id", id);
}

static void companions_put(struct json *doc, const struct guide *g)
{
	struct json *list = json_put_list(doc, "companions");

	for (size_t i = 0; i < g->companion_count; i++) {
		struct json *one = json_push_map(list);
		device_put(one, &g->companions[i].device);
		json_put_flag(one, "in_slot", g->companions[i].in_slot);
	}
}

static void findings_put(struct json *doc, const struct guide *g)
{
	struct json *list = json_put_list(doc, "obstacles");

	for (size_t i = 0; i < g->report->count; i++) {
		const struct check_finding *f = &g->report->list[i];
		if (!guide_shows(g, f))
			continue;
		struct json *one = json_push_map(list);
		json_put_text(one, "check", f->rule->name);
		json_put_text(one, "severity", check_severity_name(f->severity));
		json_put_text(one, "object", f->object);
		json_put_text(one, "text", f->text);
		json_put_text(one, "fix", f->fix[0] ? f->fix : NULL);
	}
}

int guide_json(const struct guide *g, struct err *e)
{
	const struct check_verdict *v = guide_verdict(g);
	struct json *doc;

	int r = json_new("guide", &doc, e);
	if (r < 0)
		return r;
	device_put(doc, &g->device);
	json_put_text(doc, "system", g->windows ? "windows" : "linux");
	json_put_text(doc, "verdict", v ? check_verdict_name(v->kind) : NULL);
	json_put_text(doc, "verdict_text", v && v->text[0] ? v->text : NULL);
	companions_put(doc, g);
	findings_put(doc, g);
	json_put_flag(doc, "needs_rom", g->needs_rom);
	json_put_number(doc, "memory", g->memory << 30);
	json_put_number(doc, "cpus", g->cpus);
	json_put_number(doc, "hugepages_wanted", g->pages_wanted);
	json_put_number(doc, "hugepages_free", g->pages_free);
	struct json *words = json_put_list(doc, "command");
	for (size_t i = 0; i < g->word_count; i++)
		json_push_text(words, g->words[i]);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}
