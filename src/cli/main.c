/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/topic.h"
#include "cli/verb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* In the order in which a device walks through them. */
static const struct verb *const verbs[] = {
	&verb_list,
	&verb_show,
	&verb_snapshot,
	&verb_check,
	&verb_prove,
	&verb_bind,
	&verb_release,
	&verb_vfs,
	&verb_run,
	&verb_exec,
	&verb_restore,
	&verb_claim,
	&verb_unclaim,
	&verb_claims,
	&verb_apply,
	&verb_compat,
};

static void print_help(FILE *to)
{
	(void)fputs("usage: usher VERB [OPTION…] [OPERAND…]\n"
		    "\n"
		    "Hands PCI devices to virtual machines and programs, and brings them back.\n"
		    "\n",
		to);
	for (size_t i = 0; i < COUNT(verbs); i++)
		(void)fprintf(to, "  %-13s %s\n", verbs[i]->name, verbs[i]->summary);
	(void)fputs("\n"
		    "  help VERB     what a verb does, its options, an example (also: usher VERB "
		    "--help)\n"
		    "  help TOPIC    a word of the field, and what it comes to on this host:\n"
		    "               ",
		to);
	for (unsigned i = 0; topic_at(i); i++)
		(void)fprintf(to, " %s", topic_at(i)->name);
	(void)fputs(
		"\n"
		"  --version     the version\n"
		"\n"
		"Exit status: 0 done, 1 failed, 2 wrong command line, 3 refused because of what a\n"
		"device is used for or could do.\n",
		to);
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

/* How many letters have to change, come or go; only short words are compared. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[24];
	size_t n = strlen(b);

	if (n >= COUNT(row))
		return UINT32_MAX;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned corner = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			unsigned change = corner + (a[i - 1] != b[j - 1]);
			unsigned step = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
			corner = row[j];
			row[j] = change < step ? change : step;
		}
	}
	return row[n];
}

static int unknown_verb(const char *name)
{
	struct err e = {0};
	const char *near = NULL;
	unsigned least = 3;

	for (size_t i = 0; i < COUNT(verbs); i++) {
		unsigned d = distance(name, verbs[i]->name);
		if (d < least) {
			least = d;
			near = verbs[i]->name;
		}
	}
	(void)err_say(&e, -EINVAL, "there is no verb '%s'", name);
	if (near)
		err_hint(&e, "did you mean 'usher %s'? 'usher --help' lists all verbs", near);
	else
		err_hint(&e, "'usher --help' lists all verbs");
	report(&e);
	return LEAVE_USAGE;
}

static int help(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stdout);
		return LEAVE_OK;
	}
	const char *file = NULL;
	if (argc > 3 && strcmp(argv[1], "--host") == 0) {
		file = argv[2];
		argv += 2;
	}
	const struct topic *t = topic_find(argv[1]);
	if (t)
		return topic_print(t, file);
	const struct verb *v = find_verb(argv[1]);
	if (!v)
		return unknown_verb(argv[1]);
	option_help(v);
	return LEAVE_OK;
}

int main(int argc, char **argv)
{
	struct err e = {0};

	/* As a link: whoever calls that name means that verb. */
	if (argc > 0 &&
		strncmp(file_base(argv[0]), verb_compat.name, strlen(verb_compat.name)) == 0)
		return report_finish(verb_compat.run(&verb_compat, argc, argv));
	if (argc < 2) {
		print_help(stderr);
		return LEAVE_USAGE;
	}
	const char *word = argv[1];
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
		return report_finish(help(argc - 1, argv + 1));
	if (strcmp(word, "--version") == 0) {
		(void)puts("usher " USHER_VERSION);
		return report_finish(LEAVE_OK);
	}
	if (word[0] == '-') {
		(void)err_say(&e, -EINVAL, "there is no option '%s' in front of a verb", word);
		err_hint(&e, "'usher --help' lists all verbs");
		report(&e);
		return LEAVE_USAGE;
	}
	const struct verb *v = find_verb(word);
	return v ? report_finish(v->run(v, argc - 1, argv + 1)) : unknown_verb(word);
}
