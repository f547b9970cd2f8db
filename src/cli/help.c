/* SPDX-License-Identifier: MIT */
#include "cli/help.h"

#include "base/err.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"
#include "view/fact.h"
#include "view/nearest.h"
#include "view/topic.h"
#include "view/wrap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The table of verbs, then `help`. help.c depends on the table, so `help` is not in it. */
static const struct verb *help_verb_at(unsigned i)
{
	if (i > 0 && !verb_at(i - 1))
		return NULL;
	const struct verb *v = verb_at(i);
	return v ? v : &verb_help;
}

#define HANG 16 /* where summaries begin */

/* Completion recognises these lines by their indentation. */
static void print_topics(FILE *to)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "%*s", HANG, "");

	for (unsigned i = 0; topic_at(i); i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%s", i ? " " : "",
			topic_at(i)->name);
	wrap_put(to, TOPIC_WIDTH, HANG, text);
}

void help_print(FILE *to)
{
	const struct verb *v;

	(void)fputs("usage: usher VERB [OPTION…] [OPERAND…]\n"
		    "\n"
		    "Hands PCI devices to virtual machines and programs, and brings them back.\n"
		    "\n",
		to);
	for (unsigned i = 0; (v = verb_at(i)); i++)
		(void)fprintf(to, "  %-13s %s\n", v->name, v->summary);
	(void)fputs("\n"
		    "  help VERB     options and an example of a verb, as 'usher VERB --help'\n"
		    "  help TOPIC    explain a VFIO term, with facts from this host:\n",
		to);
	print_topics(to);
	(void)fputs("  --version     print the version\n"
		    "\n"
		    "DEVICE is an address (0000:01:00.0, 01:00.0), a name (eth0, nvme0n1), a node\n"
		    "(/dev/sda1, /dev/dri/card1), a path in /sys, or VENDOR:DEVICE; see usher(1).\n"
		    "\n"
		    "Exit status: 0 done, 1 failed, 2 wrong command line, 3 refused because the\n"
		    "device is in use or passing it on would be unsafe.\n",
		to);
}

static void try_verbs(struct nearest *near)
{
	for (unsigned i = 0; help_verb_at(i); i++)
		nearest_try(near, help_verb_at(i)->name);
}

static int unknown_word(const char *name)
{
	struct err e = {0};
	struct nearest near = nearest_begin(name);

	try_verbs(&near);
	for (unsigned i = 0; topic_at(i); i++)
		nearest_try(&near, topic_at(i)->name);
	(void)err_say(&e, -EINVAL, "help: '%s' is neither a verb nor a topic", name);
	if (near.word)
		err_hint(&e,
			"did you mean 'usher help %s'? 'usher help' lists all verbs and topics",
			near.word);
	else
		err_hint(&e, "'usher help' lists all verbs and topics");
	report(&e);
	return LEAVE_USAGE;
}

int help_unknown_verb(const char *name)
{
	struct err e = {0};
	struct nearest near = nearest_begin(name);

	try_verbs(&near);
	(void)err_say(&e, -EINVAL, "unknown verb '%s'", name);
	if (topic_find(name))
		err_hint(&e, "it is a topic: usher help %s", name);
	else if (near.word)
		err_hint(&e, "did you mean 'usher %s'? 'usher --help' lists all verbs", near.word);
	else
		err_hint(&e, "'usher --help' lists all verbs");
	report(&e);
	return LEAVE_USAGE;
}

static int help_topic(const struct topic *t, const char *file)
{
	struct fact_source s;
	struct facts f = {0};
	struct host *h = NULL;

	int r = option_host(file, &h);
	if (r)
		return r;
	bool known = fact_source_read(h, &s) == 0;
	if (known)
		topic_facts(t, &s, &f);
	topic_text(t, known ? &f : NULL, file ? "that host" : "this host");
	fact_source_fini(&s);
	host_close(h);
	return LEAVE_OK;
}

static int help_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"host", required_argument, NULL, 'H'},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	const char *file = NULL;
	int c;

	while ((c = option_next(&o)) > 0)
		file = optarg;
	if (c != OPTION_END)
		return option_leave(c);
	if (optind == argc) {
		help_print(stdout);
		return LEAVE_OK;
	}
	if (optind + 1 < argc)
		return option_wrong(v, "unexpected operand '%s'", argv[optind + 1]);
	const char *word = argv[optind];
	for (unsigned i = 0; help_verb_at(i); i++) {
		if (strcmp(help_verb_at(i)->name, word) == 0) {
			option_help(help_verb_at(i));
			return LEAVE_OK;
		}
	}
	const struct topic *t = topic_find(word);
	return t ? help_topic(t, file) : unknown_word(word);
}

const struct verb verb_help = {
	.name = "help",
	.summary = "explain a verb, or a VFIO term with facts from this host",
	.help = "help [--host FILE] [VERB|TOPIC]\n"
		"\n"
		"For a verb: what it does, its options and an example. For a topic: a paragraph\n"
		"that explains the term, and facts from this host. Without an operand: the list\n"
		"of verbs and topics.\n"
		"\n"
		"      --host FILE        take a topic's facts from this snapshot instead of this\n"
		"                         host\n"
		"\n"
		"Examples: what is an IOMMU group, and how large are the groups here?\n"
		"\n"
		"  usher help group\n"
		"  usher help list\n",
	.run = help_run,
};
