/* SPDX-License-Identifier: MIT */
#include "view/findings.h"
#include "view/json.h"

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

int findings_json(const struct check_report *r, struct err *e)
{
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
	struct json *list = json_put_list(doc, "findings");
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
