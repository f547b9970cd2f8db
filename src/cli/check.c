/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "check/check.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"
#include "view/hint.h"
#include "view/json.h"
#include "view/lookup.h"
#include "view/wrap.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct request {
	const char *file; /* a snapshot */
	bool json;
};

static const char *heading(enum check_severity s)
{
	switch (s) {
	case CHECK_FAIL:
		return "This stands against lending:";
	case CHECK_WARN:
		return "This will bite some day:";
	case CHECK_INFO:
		break;
	}
	return "Worth knowing:";
}

#define HANG_TEXT 6 /* where sentences go on that do not fit into a line */
#define HANG_MORE 12

static void line(unsigned hang, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void line(unsigned hang, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	wrap_put(stdout, wrap_width(), hang, text);
}

static void print_finding(const struct check_finding *f)
{
	/* What the text said already need not be seen twice. */
	bool more = f->value[0] && !strstr(f->text, f->value);

	line(HANG_TEXT, "  %s %s: %s", f->rule->id, f->object, f->text);
	if (f->path[0])
		line(HANG_MORE, "      seen: %s%s%s", f->path, more ? ": " : "",
			more ? f->value : "");
	if (f->fix[0])
		line(HANG_MORE, "      do:   %s", f->fix);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void print_text(const struct check_report *r)
{
	size_t fail = check_report_count(r, CHECK_FAIL), warn = check_report_count(r, CHECK_WARN);
	size_t info = check_report_count(r, CHECK_INFO);

	for (size_t i = 0; i < r->count; i++) {
		const struct check_finding *f = &r->list[i];

		if (i == 0 || f->severity != r->list[i - 1].severity)
			(void)printf("%s%s\n", i ? "\n" : "", heading(f->severity));
		print_finding(f);
	}
	if (r->blind_count)
		(void)printf("%sThis could not be looked at:\n", r->count ? "\n" : "");
	for (size_t i = 0; i < r->blind_count; i++) {
		const struct check_blind *b = &r->blind[i];

		line(HANG_TEXT, "  %s %s: %s: %s", b->rule->id, b->object, b->path,
			strerror(-b->error));
	}
	if (r->count || r->blind_count)
		(void)putchar('\n');
	line(0, "%zu failure%s, %zu warning%s, %zu note%s; %zu of %zu checks found nothing", fail,
		plural(fail), warn, plural(warn), info, plural(info), r->rules_quiet, r->rules_run);
}

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

static int print_json(const struct check_report *r, struct err *e)
{
	struct json *doc = NULL;

	int x = json_new(1, &doc, e);
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

static int print_rules(void)
{
	const struct check_rule_info *i;

	for (size_t n = 0; (i = check_rule_at(n)); n++)
		(void)printf("%s  %-19s  %-6s  %s\n", i->id, i->name,
			i->scope == CHECK_HOST ? "host" : "device", i->about);
	return LEAVE_OK;
}

/* Return: LEAVE_*, -errno. */
static int check(
	const struct request *q, struct host *h, const struct check_request *c, struct err *e)
{
	struct check_report report;

	int r = check_run(h, c, &report, e);
	if (r == 0 && q->json)
		r = print_json(&report, e);
	else if (r == 0)
		print_text(&report);
	if (r == 0)
		r = check_report_count(&report, CHECK_FAIL) ? LEAVE_REFUSED : LEAVE_OK;
	check_report_fini(&report);
	return r;
}

static int run_on(const struct verb *v, const struct request *q, int count, char **words)
{
	cleanup_free struct pci_address *addresses = calloc((size_t)count + 1, sizeof(*addresses));
	const struct check_request c = {.addresses = addresses, .address_count = (size_t)count};
	struct host *h = NULL;
	struct err e = {0};

	int r = option_host(q->file, &h);
	if (r)
		return r;
	if (!addresses)
		r = err_set(&e, -ENOMEM, "check this host");
	for (int i = 0; r == 0 && i < count; i++) {
		if (lookup_device(h, words[i], &addresses[i]) == 0)
			continue;
		(void)err_say(&e, -EINVAL, "%s: '%s' is no PCI address, interface or disk", v->name,
			words[i]);
		hint_word(h, words[i], &e);
		r = LEAVE_USAGE;
	}
	if (r == 0)
		r = check(q, h, &c, &e);
	host_close(h);
	if (e.code)
		report(&e);
	return r < 0 ? LEAVE_FAILED : r;
}

static int run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"json", no_argument, NULL, 'j'},
		{"list", no_argument, NULL, 'l'},
		{"host", required_argument, NULL, 'H'},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes, .letters = "j"};
	struct request q = {0};
	bool rules = false;
	int c;

	while ((c = option_next(&o)) > 0) {
		q.json = q.json || c == 'j';
		rules = rules || c == 'l';
		q.file = c == 'H' ? optarg : q.file;
	}
	if (c != OPTION_END)
		return option_leave(c);
	return rules ? print_rules() : run_on(v, &q, argc - optind, argv + optind);
}

const struct verb verb_check = {
	.name = "check",
	.summary = "what stands against lending a device, where it is seen, what to do",
	.help = "check [OPTION…] [ADDRESS|INTERFACE|DISK…]\n"
		"\n"
		"Looks at this host as somebody would who has seen many of them: firmware,\n"
		"kernel, boot loader, modules, rights, other tools; and at each device. Every\n"
		"finding says where it was seen and what to do, with the file and line of this\n"
		"host. It only reads.\n"
		"\n"
		"Without an operand: the host, and what is wrong with any device, whoever would\n"
		"get it. With devices: also whether each could be lent now, who uses it, what it\n"
		"shares.\n"
		"\n"
		"  -j, --json       a JSON document\n"
		"      --list       the checks there are, with their ids\n"
		"      --host FILE  a snapshot of another host instead of this one\n"
		"\n"
		"Exit status: 0 nothing stands against lending (there may be warnings), 1 it\n"
		"could not be checked, 2 wrong command line, 3 this host, or a device that was\n"
		"named, could not lend or be lent.\n"
		"\n"
		"Examples: why does it not work? Could the graphics card go to a guest?\n"
		"\n"
		"  usher check\n"
		"  usher check 0000:01:00.0\n",
	.run = run,
};
