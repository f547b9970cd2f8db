/* SPDX-License-Identifier: MIT */
/*
 * How it works. Invariant: one place knows what a word may be, and three shells ask it.
 *
 * `usher complete WORD…` gets the words of a command line behind "usher", up to the cursor; the
 * last one is to be completed. Options come from the verbs' own tables (option_table()), their
 * types and those of operands from complete_type.c. With --host FILE among the words, or before
 * them, candidates come from that snapshot.
 */
#include "base/file.h"
#include "base/num.h"
#include "cli/candidate.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct completion {
	const struct verb *verb;
	const struct option *takes;
	const char *letters;
	struct host *host;
	const char *last; /* the word to complete */
	const struct option *open; /* the option whose value it is; NULL: none */
	unsigned operands; /* before the last word */
	const char *operand; /* the last one of them; NULL: none */
	bool only_operands; /* "--" came before it */
};

static const struct option *find_long(const struct completion *c, const char *name, size_t len)
{
	for (const struct option *o = c->takes; o && o->name; o++)
		if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
			return o;
	return NULL;
}

/* The option that a word "-o" or "--host" leaves without its value; NULL: none. */
static const struct option *find_open(const struct completion *c, const char *word)
{
	const struct option *o = NULL;

	if (strncmp(word, "--", 2) == 0) {
		o = find_long(c, word + 2, strlen(word + 2));
		return o && o->has_arg == required_argument ? o : NULL;
	}
	const char *letter = c->letters && word[0] == '-' && word[1] && !word[2]
				     ? strchr(c->letters, word[1])
				     : NULL;
	for (o = c->takes; letter && letter[1] == ':' && o && o->name; o++)
		if (o->val == word[1])
			return o;
	return NULL;
}

/* Walks the words before the last one. Return: the value of --host, or NULL. */
static const char *walk_words(struct completion *c, int argc, char **argv)
{
	const char *file = NULL;

	for (int i = 0; i < argc; i++) {
		const char *word = argv[i];

		if (c->open) {
			file = strcmp(c->open->name, "host") == 0 ? word : file;
			c->open = NULL;
		} else if (c->only_operands || word[0] != '-' || !word[1]) {
			c->operands++;
			c->operand = word;
		} else if (strcmp(word, "--") == 0) {
			c->only_operands = true;
			c->operands = 0;
			c->operand = NULL;
		} else {
			c->open = find_open(c, word);
			file = strncmp(word, "--host=", 7) == 0 ? word + 7 : file;
		}
	}
	return file;
}

static void put_options(const struct completion *c)
{
	char word[64];

	for (const struct option *o = c->takes; o && o->name; o++) {
		(void)snprintf(word, sizeof(word), "--%s", o->name);
		candidate_put(c->last, word, NULL);
	}
	candidate_put(c->last, "--help", NULL);
}

/* Values with an address at the start: "0000:01:00.0,rom=FILE". */
static void put_device_keys(const char *part)
{
	static const char *const keys[] = {"id=", "rom=", "rom=off", "fd=", "container="};
	const char *comma = strrchr(part, ',');
	char word[FILE_PATH_MAX];

	for (size_t i = 0; i < COUNT(keys); i++) {
		(void)snprintf(
			word, sizeof(word), "%.*s%s", (int)(comma - part) + 1, part, keys[i]);
		candidate_put(part, word, NULL);
	}
}

static void put_value(const struct completion *c, const struct option *o, const char *part)
{
	if (strcmp(o->name, "device") == 0 && strchr(part, ','))
		put_device_keys(part);
	else
		candidates_print(complete_option(c->verb->name, o->name), c->host, part);
}

/* "--host=FILE": shells that split at '=' get the value alone. */
static void put_joined(const struct completion *c)
{
	const char *equals = strchr(c->last, '=');
	const struct option *o = find_long(c, c->last + 2, (size_t)(equals - c->last - 2));

	if (!o || o->has_arg == no_argument)
		return;
	(void)printf(":after %zu\n", (size_t)(equals - c->last) + 1);
	put_value(c, o, equals + 1);
}

static void put_operand(const struct completion *c)
{
	struct complete_type type = complete_operand(c->verb->name, c->operands);

	if (type.value == COMPLETE_PORT)
		type.words = c->operand;
	candidates_print(type, c->host, c->last);
}

static void complete_last(const struct completion *c)
{
	if (c->open)
		put_value(c, c->open, c->last);
	else if (!c->only_operands && strncmp(c->last, "--", 2) == 0 && strchr(c->last, '='))
		put_joined(c);
	else if (!c->only_operands && c->last[0] == '-')
		put_options(c);
	else
		put_operand(c);
}

static int complete_verb(const struct verb *v, const char *snapshot, int argc, char **argv)
{
	struct completion c = {.verb = v, .last = argv[argc - 1]};

	if (v != &verb_compat)
		c.takes = option_table(v, &c.letters);
	const char *file = walk_words(&c, argc - 1, argv);
	file = file ? file : snapshot;
	if (!file || host_snapshot_open(file, &c.host, NULL) < 0)
		c.host = host_live();
	complete_last(&c);
	host_close(c.host);
	return LEAVE_OK;
}

static int complete_first(const char *part)
{
	for (unsigned i = 0; verb_at(i); i++)
		candidate_put(part, verb_at(i)->name, verb_at(i)->summary);
	candidate_put(part, verb_help.name, verb_help.summary);
	candidate_put(part, "--help", NULL);
	candidate_put(part, "--version", NULL);
	return LEAVE_OK;
}

/* Reports each option and verb without a type. */
static int check_verb(const struct verb *v)
{
	const char *letters;
	int faults = 0;

	for (const struct option *o = v == &verb_compat ? NULL : option_table(v, &letters);
		o && o->name; o++) {
		if (o->has_arg == no_argument ||
			complete_option(v->name, o->name).value != COMPLETE_UNKNOWN)
			continue;
		(void)printf("%s --%s: add the type of its value to `options` in "
			     "src/cli/complete_type.c\n",
			v->name, o->name);
		faults++;
	}
	if (complete_operand(v->name, 0).value == COMPLETE_UNKNOWN) {
		(void)printf("%s: add the type of its operands to `operands` in "
			     "src/cli/complete_type.c\n",
			v->name);
		faults++;
	}
	return faults;
}

static int check_types(void)
{
	int faults = check_verb(&verb_help);

	for (unsigned i = 0; verb_at(i); i++)
		faults += check_verb(verb_at(i));
	return faults ? LEAVE_FAILED : LEAVE_OK;
}

static int complete_run(const struct verb *self, int argc, char **argv)
{
	const char *snapshot = NULL;

	argc--, argv++;
	if (argc > 0 && strcmp(argv[0], "--check") == 0)
		return check_types();
	if (argc == 1 && strcmp(argv[0], "--help") == 0) {
		option_help(self);
		return LEAVE_OK;
	}
	if (argc > 1 && strcmp(argv[0], "--host") == 0) {
		snapshot = argv[1];
		argc -= 2, argv += 2;
	}
	if (argc > 0 && strcmp(argv[0], "--") == 0)
		argc--, argv++;
	if (argc == 0)
		return option_wrong(self, "no WORD given");
	if (argc == 1)
		return complete_first(argv[0]);
	const struct verb *v =
		strcmp(argv[0], verb_help.name) == 0 ? &verb_help : verb_find(argv[0]);
	return v ? complete_verb(v, snapshot, argc - 1, argv + 1) : LEAVE_OK;
}

const struct verb verb_complete = {
	.name = "complete",
	.summary = "print what a shell may offer for a word",
	.help = "complete [--host FILE] -- WORD…\n"
		"       usher complete --check\n"
		"\n"
		"Prints what the last WORD of a command line may be, one a line, with a remark\n"
		"behind a tab; WORDs are those behind 'usher'. The completions of shells call it.\n"
		"':file', ':snapshot' and ':command' leave the word to the shell; ':after N': the\n"
		"lines that follow are without the first N characters of the word.\n"
		"\n"
		"      --host FILE        take devices from this snapshot instead of this host\n"
		"      --check            report options and verbs without a type\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher complete -- bind 0000:0\n",
	.run = complete_run,
};
