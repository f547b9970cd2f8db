/* SPDX-License-Identifier: MIT */
#include "view/findings.h"
#include "view/wrap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *severity_title(enum check_severity s)
{
	switch (s) {
	case CHECK_FAIL:
		return "Errors:";
	case CHECK_WARN:
		return "Warnings:";
	case CHECK_INFO:
		break;
	}
	return "Notes:";
}

#define HANG_TEXT 6 /* indent of continuation lines */
#define HANG_MORE 12

static void print_line(unsigned hang, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void print_line(unsigned hang, const char *fmt, ...)
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
	/* Do not repeat a value that the text contains. */
	bool more = f->value[0] && !strstr(f->text, f->value);

	print_line(HANG_TEXT, "  %s %s: %s", f->rule->id, f->object, f->text);
	if (f->path[0])
		print_line(HANG_MORE, "      seen: %s%s%s", f->path, more ? ": " : "",
			more ? f->value : "");
	if (f->fix[0])
		print_line(HANG_MORE, "      fix:  %s", f->fix);
}

static const char *plural_ending(size_t n)
{
	return n == 1 ? "" : "s";
}

void findings_text(const struct check_report *r)
{
	size_t fail = check_report_count(r, CHECK_FAIL), warn = check_report_count(r, CHECK_WARN);
	size_t info = check_report_count(r, CHECK_INFO);

	for (size_t i = 0; i < r->count; i++) {
		const struct check_finding *f = &r->list[i];

		if (i == 0 || f->severity != r->list[i - 1].severity)
			(void)printf("%s%s\n", i ? "\n" : "", severity_title(f->severity));
		print_finding(f);
	}
	if (r->blind_count)
		(void)printf("%sCould not be checked:\n", r->count ? "\n" : "");
	for (size_t i = 0; i < r->blind_count; i++) {
		const struct check_blind *b = &r->blind[i];

		print_line(HANG_TEXT, "  %s %s: %s: %s", b->rule->id, b->object, b->path,
			strerror(-b->error));
	}
	if (r->count || r->blind_count)
		(void)putchar('\n');
	print_line(0, "%zu error%s, %zu warning%s, %zu note%s; %zu of %zu checks found nothing",
		fail, plural_ending(fail), warn, plural_ending(warn), info, plural_ending(info),
		r->rules_quiet, r->rules_run);
}

void findings_rules(void)
{
	const struct check_rule_info *i;

	for (size_t n = 0; (i = check_rule_at(n)); n++)
		(void)printf("%s  %-19s  %-6s  %s\n", i->id, i->name,
			i->scope == CHECK_HOST ? "host" : "device", i->about);
}
