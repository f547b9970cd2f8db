/* SPDX-License-Identifier: MIT */
#include "pci/class.h"
#include "view/findings.h"
#include "view/json.h"

#include <stdio.h>
#include <string.h>

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static void put_finding(struct json *one, const struct check_finding *f)
{
	json_put_text(one, "id", f->rule->id);
	json_put_text(one, "name", f->rule->name);
	json_put_text(one, "severity", check_severity_name(f->severity));
	json_put_text(one, "object", f->object);
	json_put_text(one, "text", f->text);
	json_put_text(one, "path", or_null(f->path));
	json_put_text(one, "value", or_null(f->value));
	json_put_text(one, "fix", or_null(f->fix));
}

static void put_verdict(struct json *one, const struct check_verdict *v)
{
	const struct pci_device *d = &v->device;
	char address[PCI_ADDRESS_TEXT], id[16];

	json_put_text(one, "address", pci_address_format(d->address, address));
	(void)snprintf(id, sizeof(id), "%06x", d->class);
	json_put_text(one, "class", id);
	json_put_text(one, "class_name", pci_class_name(d->class));
	(void)snprintf(id, sizeof(id), "%04x:%04x", d->vendor, d->device);
	json_put_text(one, "id", id);
	json_put_text(one, "driver", or_null(d->driver));
	if (d->group == PCI_GROUP_NONE)
		json_put_null(one, "group");
	else
		json_put_number(one, "group", (uint64_t)d->group);
	json_put_text(one, "verdict", check_verdict_name(v->kind));
	json_put_text(one, "text", or_null(v->text));
	json_put_text(one, "why", or_null(v->why));
	json_put_text(one, "claim", or_null(v->claim));
	json_put_number(one, "count", v->kind == CHECK_LENDABLE ? 0 : v->count);
}

int findings_json(const struct findings *f, struct err *e)
{
	const struct check_report *r = f->report;
	struct json *doc = NULL;

	int x = json_new("check", &doc, e);
	if (x < 0)
		return x;
	json_put_text(doc, "worst", r->count ? check_severity_name(r->list[0].severity) : NULL);
	json_put_number(doc, "failures", check_report_count(r, CHECK_FAIL));
	json_put_number(doc, "warnings", check_report_count(r, CHECK_WARN));
	json_put_number(doc, "notes", check_report_count(r, CHECK_INFO));
	json_put_number(doc, "checks", r->rules_run);
	json_put_number(doc, "checks_quiet", r->rules_quiet);
	struct json *list = json_put_list(doc, "devices");
	for (size_t i = 0; i < r->verdict_count; i++)
		put_verdict(json_push_map(list), &r->verdicts[i]);
	list = json_put_list(doc, "findings");
	for (size_t i = 0; i < r->count; i++)
		put_finding(json_push_map(list), &r->list[i]);
	list = json_put_list(doc, "unknown");
	for (size_t i = 0; i < r->blind_count; i++) {
		struct json *one = json_push_map(list);

		json_put_text(one, "id", r->blind[i].rule->id);
		json_put_text(one, "name", r->blind[i].rule->name);
		json_put_text(one, "object", r->blind[i].object);
		json_put_text(one, "path", r->blind[i].path);
		json_put_text(one, "reason", strerror(-r->blind[i].error));
	}
	x = json_print(doc, e);
	json_free(doc);
	return x;
}
