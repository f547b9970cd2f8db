/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: whatever is folded can be told from the text again.
 *
 * The verdicts come first. Below, findings of one rule that differ only in their object are one
 * entry, with ADDRESS for the object in path and fix. Those that differ only in their path are one
 * entry with all paths. In brief, notes have no evidence, and what could not be checked is one line
 * for each cause.
 */
#include "base/clean.h"
#include "base/err.h"
#include "view/findings.h"
#include "view/wrap.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

/* @text without the object: "/sys/bus/pci/devices/ADDRESS/reset_method". */
static void object_hide(const char *text, const char *object, FILE *to)
{
	const char *at;

	for (; strchr(object, ':') && (at = strstr(text, object)); text = at + strlen(object))
		(void)fprintf(to, "%.*sADDRESS", (int)(at - text), text);
	(void)fputs(text, to);
}

/* A finding as it reads without its object. */
struct sight {
	const struct check_finding *finding;
	char *text; /* and value and fix */
	char *path;
	bool printed;
};

static int sight_make(const struct check_finding *f, struct sight *ret)
{
	size_t size;
	FILE *text = open_memstream(&ret->text, &size);

	ret->finding = f;
	if (!text)
		return -ENOMEM;
	object_hide(f->text, f->object, text);
	(void)fprintf(text, "\n%s\n", f->value);
	object_hide(f->fix, f->object, text);
	int r = fclose(text);
	FILE *path = open_memstream(&ret->path, &size);
	if (r || !path)
		return -ENOMEM;
	object_hide(f->path, f->object, path);
	return fclose(path) ? -ENOMEM : 0;
}

static void sights_free(struct sight *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i].text);
		free(list[i].path);
	}
	free(list);
}

/* How two findings differ. */
enum difference { DIFFERENT, IN_OBJECT, IN_PATH };

static enum difference sight_compare(const struct sight *a, const struct sight *b)
{
	if (a->finding->rule != b->finding->rule || a->finding->severity != b->finding->severity ||
		strcmp(a->text, b->text) != 0)
		return DIFFERENT;
	if (strcmp(a->finding->object, b->finding->object) == 0)
		return IN_PATH;
	return strcmp(a->path, b->path) == 0 ? IN_OBJECT : DIFFERENT;
}

/* One entry of the report. */
struct entry {
	const struct check_finding *first;
	char *objects; /* "0000:01:00.0, 0000:02:00.0" */
	char *paths;
	bool folded; /* of several objects */
};

static void entry_free(struct entry *x)
{
	free(x->objects);
	free(x->paths);
}

/* Marks what it takes as printed. */
static int entry_make(struct sight *list, size_t count, size_t at, struct entry *ret)
{
	enum difference how = DIFFERENT;
	size_t size;
	FILE *objects = open_memstream(&ret->objects, &size);
	FILE *paths = open_memstream(&ret->paths, &size);

	ret->first = list[at].finding;
	for (size_t i = at; objects && paths && i < count; i++) {
		const struct check_finding *f = list[i].finding;
		enum difference d = i == at ? DIFFERENT : sight_compare(&list[at], &list[i]);

		if (list[i].printed || (i != at && (d == DIFFERENT || (how && d != how))))
			continue;
		how = d;
		list[i].printed = true;
		if (i == at || d == IN_OBJECT)
			(void)fprintf(objects, "%s%s", i == at ? "" : ", ", f->object);
		if (i == at || d == IN_PATH)
			(void)fprintf(paths, "%s%s", i == at ? "" : ", ", f->path);
	}
	ret->folded = how == IN_OBJECT;
	int r = objects ? fclose(objects) : -1;
	r |= paths ? fclose(paths) : -1;
	return r ? -ENOMEM : 0;
}

static void print_line(unsigned hang, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void print_line(unsigned hang, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n >= 0)
		wrap_put(stdout, wrap_width(), hang, text);
}

/* A line in which the objects of a folded entry are hidden. */
static void print_part(const struct entry *x, unsigned hang, const char *start, const char *text)
{
	cleanup_free char *hidden = NULL;
	size_t size;
	FILE *to = x->folded ? open_memstream(&hidden, &size) : NULL;

	if (to) {
		object_hide(text, x->first->object, to);
		(void)fclose(to);
	}
	print_line(hang, "%s%s", start, hidden ? hidden : text);
}

static void print_entry(const struct entry *x, bool brief)
{
	const struct check_finding *f = x->first;
	char start[32];
	/* Do not repeat a value that the text contains. */
	bool more = f->value[0] && !strstr(f->text, f->value);
	cleanup_free char *seen = NULL;

	(void)snprintf(start, sizeof(start), "  %s ", f->rule->id);
	cleanup_free char *head = NULL;
	if (asprintf(&head, "%s%s: ", start, x->objects) < 0 ||
		asprintf(&seen, "%s%s%s", x->paths, more ? ": " : "", more ? f->value : "") < 0)
		return;
	print_part(x, HANG_TEXT, head, f->text);
	if (brief && f->severity == CHECK_INFO)
		return;
	if (f->path[0])
		print_part(x, HANG_MORE, "      seen: ", seen);
	if (f->fix[0])
		print_part(x, HANG_MORE, "      fix:  ", f->fix);
}

static int print_findings(const struct findings *v)
{
	const struct check_report *r = v->report;
	struct sight *list = calloc(r->count + 1, sizeof(*list));
	const struct check_finding *last = NULL;
	int x = list ? 0 : -ENOMEM;

	for (size_t i = 0; x == 0 && i < r->count; i++)
		x = sight_make(&r->list[i], &list[i]);
	for (size_t i = 0; x == 0 && i < r->count; i++) {
		struct entry one = {0};

		if (list[i].printed)
			continue;
		if (!last || list[i].finding->severity != last->severity)
			(void)printf("%s%s\n", last || r->verdict_count ? "\n" : "",
				severity_title(list[i].finding->severity));
		last = list[i].finding;
		x = entry_make(list, r->count, i, &one);
		if (x == 0)
			print_entry(&one, v->brief);
		entry_free(&one);
	}
	if (list)
		sights_free(list, r->count);
	return x;
}

static bool was_blind(const struct check_report *r, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (r->blind[i].error == r->blind[at].error &&
			r->blind[i].rule == r->blind[at].rule)
			return true;
	return false;
}

/* One line for each cause: "No such file or directory: H03, H05". */
static void print_blind_briefly(const struct check_report *r)
{
	for (size_t i = 0; i < r->blind_count; i++) {
		int error = r->blind[i].error;
		char line[512];
		size_t n = 0;
		bool is_first = true;

		for (size_t k = 0; k < i; k++)
			is_first = is_first && r->blind[k].error != error;
		if (!is_first)
			continue;
		n = (size_t)snprintf(line, sizeof(line),
			"Could not be checked (%s%s):", strerror(-error),
			error == -EACCES || error == -EPERM ? "; run as root" : "");
		for (size_t k = i; k < r->blind_count && n < sizeof(line); k++)
			if (r->blind[k].error == error && !was_blind(r, k))
				n += (size_t)snprintf(
					line + n, sizeof(line) - n, " %s", r->blind[k].rule->id);
		print_line(HANG_TEXT, "%s", line);
	}
}

static void print_blind(const struct check_report *r)
{
	if (r->blind_count)
		(void)printf("Could not be checked:\n");
	for (size_t i = 0; i < r->blind_count; i++) {
		const struct check_blind *b = &r->blind[i];

		print_line(HANG_TEXT, "  %s %s: %s: %s", b->rule->id, b->object, b->path,
			strerror(-b->error));
	}
}

static const char *plural_ending(size_t n)
{
	return n == 1 ? "" : "s";
}

static void print_summary(const struct findings *f)
{
	const struct check_report *r = f->report;
	size_t fail = check_report_count(r, CHECK_FAIL), warn = check_report_count(r, CHECK_WARN);
	size_t info = check_report_count(r, CHECK_INFO);

	print_line(0, "%zu error%s, %zu warning%s, %zu note%s; %zu of %zu checks found nothing%s",
		fail, plural_ending(fail), warn, plural_ending(warn), info, plural_ending(info),
		r->rules_quiet, r->rules_run, f->brief ? " (more: --all)" : "");
}

int findings_text(const struct findings *f, struct err *e)
{
	const struct check_report *r = f->report;

	verdicts_text(f);
	int x = print_findings(f);
	if (x < 0)
		return err_set(e, x, "print what was found");
	if (r->blind_count && (r->count || r->verdict_count))
		(void)putchar('\n');
	if (f->brief)
		print_blind_briefly(r);
	else
		print_blind(r);
	if (r->count || r->blind_count || r->verdict_count)
		(void)putchar('\n');
	print_summary(f);
	return 0;
}

void findings_rules(void)
{
	const struct check_rule_info *i;

	for (size_t n = 0; (i = check_rule_at(n)); n++)
		(void)printf("%s  %-19s  %-6s  %s\n", i->id, i->name,
			i->scope == CHECK_HOST ? "host" : "device", i->about);
}
