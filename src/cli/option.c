/* SPDX-License-Identifier: MIT */
#include "cli/option.h"

#include "base/err.h"
#include "cli/report.h"
#include "host/host.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 64

enum { VALUE_HELP = 0x7000 };

/* The word that getopt_long() rejected. */
static const char *culprit_word(const struct options *o, char letter[3])
{
	if (optopt > 0 && optopt < 0x80) {
		letter[0] = '-';
		letter[1] = (char)optopt;
		letter[2] = '\0';
		return letter;
	}
	return o->argv[optind - 1];
}

/* True if the word is a long option of @all with a value that it does not take: "--json=1". */
static bool has_needless_value(const struct options *o, const struct option *all)
{
	const char *word = o->argv[optind - 1];
	const char *value = strchr(word, '=');

	if (strncmp(word, "--", 2) != 0 || !value)
		return false;
	for (; all->name; all++)
		if (all->has_arg == no_argument && all->val == optopt &&
			strncmp(all->name, word + 2, (size_t)(value - word - 2)) == 0)
			return true;
	return false;
}

/* getopt_long() rejected a word. */
static void report_culprit(const struct options *o, const struct option *all)
{
	char letter[3];

	if (has_needless_value(o, all))
		option_wrong(o->verb, "'%s': this option takes no value", o->argv[optind - 1]);
	else
		option_wrong(o->verb, "unknown option '%s'", culprit_word(o, letter));
}

/* Set while option_table() runs a verb. */
static struct {
	bool on;
	const struct option *takes;
	char letters[OPTIONS_MAX + 8];
} probe;

/* Return: what stands for the long option @name, 0 if the verb has none. */
static int option_value(const struct options *o, const char *name)
{
	for (size_t i = 0; o->takes && o->takes[i].name; i++)
		if (strcmp(o->takes[i].name, name) == 0)
			return o->takes[i].val;
	return 0;
}

/*
 * The letters of getopt(3). With a leading ':', it distinguishes a missing value from an unknown
 * option. Each verb with --json has -j, and each with --numeric has -n.
 */
static void letters_fill(const struct options *o, char ret[OPTIONS_MAX + 8])
{
	const char *own = o->letters ? o->letters : "";

	(void)snprintf(ret, OPTIONS_MAX + 8, "%s:%sh%s%s", *own == '+' ? "+" : "",
		*own == '+' ? own + 1 : own, option_value(o, "json") ? "j" : "",
		option_value(o, "numeric") ? "n" : "");
}

int option_next(struct options *o)
{
	struct option all[OPTIONS_MAX + 2] = {{"help", no_argument, NULL, VALUE_HELP}};
	char letters[OPTIONS_MAX + 8];
	size_t n = 0;

	if (probe.on) {
		probe.takes = o->takes;
		letters_fill(o, probe.letters);
		return OPTION_HELP;
	}
	for (; o->takes && o->takes[n].name; n++) {
		if (n == OPTIONS_MAX)
			abort(); /* OPTIONS_MAX is too low for this verb */
		all[n + 1] = o->takes[n];
	}
	letters_fill(o, letters);
	opterr = 0;
	int c = getopt_long(o->argc, o->argv, letters, all, NULL);
	switch (c) {
	case -1:
		return OPTION_END;
	case 'h':
	case VALUE_HELP:
		option_help(o->verb);
		return OPTION_HELP;
	case ':':
		/* For a long option, optopt is its `val`; print the word itself. */
		option_wrong(o->verb, "option '%s' needs a value", o->argv[optind - 1]);
		return OPTION_BAD;
	case '?':
		report_culprit(o, all);
		return OPTION_BAD;
	case 'j':
		return option_value(o, "json");
	case 'n':
		return option_value(o, "numeric");
	default:
		return c;
	}
}

const struct option *option_table(const struct verb *v, const char **ret_letters)
{
	char name[32];
	char *argv[] = {name, NULL};

	(void)snprintf(name, sizeof(name), "%s", v->name);
	probe.on = true;
	probe.takes = NULL;
	probe.letters[0] = '\0';
	(void)v->run(v, 1, argv);
	probe.on = false;
	*ret_letters = probe.letters;
	return probe.takes;
}

int options_take(struct options *o, int (*take)(void *arg, int c, const char *text), void *arg)
{
	for (;;) {
		int c = option_next(o);
		if (c < 0)
			return c == OPTION_END ? 0 : c;
		int r = take(arg, c, optarg);
		if (r)
			return r;
	}
}

int option_leave(int end)
{
	if (end >= 0)
		return end;
	return end == OPTION_HELP ? LEAVE_OK : LEAVE_USAGE;
}

int option_wrong(const struct verb *v, const char *fmt, ...)
{
	struct err e = {.code = -1};
	va_list ap;

	int n = snprintf(e.msg, sizeof(e.msg), "%s: ", v->name);
	va_start(ap, fmt);
	(void)vsnprintf(e.msg + n, sizeof(e.msg) - (size_t)n, fmt, ap);
	va_end(ap);
	err_hint(&e, "see 'usher %s --help'", v->name);
	report(&e);
	return LEAVE_USAGE;
}

/* The host that verbs read without --host; NULL: the live host. */
static struct host *replaced;

void option_replace_host(struct host *h)
{
	replaced = h;
}

int option_host(const char *file, struct host **ret)
{
	struct err e = {0};

	if (!file) {
		*ret = replaced ? replaced : host_live();
		return 0;
	}
	if (host_snapshot_open(file, ret, &e) < 0) {
		report(&e);
		return LEAVE_USAGE;
	}
	if (!host_snapshot_is_proven(*ret))
		report_note("note: snapshot '%s' is of version 1, so usher cannot tell whether it "
			    "is whole",
			file);
	return 0;
}

void option_help(const struct verb *v)
{
	(void)printf("usage: usher %s", v->help);
}
