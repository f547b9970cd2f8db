/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/env.h"
#include "cli/lease.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "control/value.h"
#include "lease/borrow.h"
#include "view/json.h"
#include "view/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { JSON = 1 };

struct listing {
	struct json *list; /* of --json */
	struct table *table; /* otherwise */
	size_t count;
};

/* One lease, as its keeper describes it. */
struct lease_row {
	const char *name;
	const char *state; /* NULL: its keeper does not say */
	const struct control_value *value; /* NULL: likewise */
	const char *error; /* why; NULL */
};

/* @zone: with seconds and the time zone, for programs. Return: whether it is known. */
static bool time_text(const struct lease_row *l, const char *key, bool zone, char *buf, size_t size)
{
	int64_t n;
	struct tm tm;

	(void)snprintf(buf, size, "-");
	if (!control_value_number(l->value, key, &n))
		return false;
	time_t t = (time_t)n;
	return localtime_r(&t, &tm) && strftime(buf, size, zone ? "%FT%T%z" : "%F %R", &tm);
}

static void number_cell(struct table *t, size_t column, const struct lease_row *l, const char *key)
{
	char text[24] = "-";
	int64_t n;

	if (control_value_number(l->value, key, &n))
		(void)snprintf(text, sizeof(text), "%" PRId64, n);
	table_set(t, column, text, TABLE_PLAIN);
}

static int device_append(void *arg, const char *key, const struct control_value *device)
{
	char *text = arg;
	const char *word = control_value_as_text(device);
	size_t len = strlen(text);

	if (word)
		(void)snprintf(text + len, 1024 - len, "%s%s", len ? " " : "", word);
	return 0;
}

static void row_text(struct table *t, const struct lease_row *l)
{
	char text[1024];

	(void)table_row(t, NULL);
	table_set(t, 0, l->name, TABLE_BOLD);
	table_set(t, 1, l->state ? l->state : "?", l->state ? TABLE_PLAIN : TABLE_BAD);
	number_cell(t, 2, l, "user");
	number_cell(t, 3, l, "pid");
	(void)time_text(l, "since", false, text, sizeof(text));
	table_set(t, 4, text, TABLE_PLAIN);
	(void)time_text(l, "until", false, text, sizeof(text));
	table_set(t, 5, text, TABLE_PLAIN);
	text[0] = '\0';
	(void)control_value_each(control_value_member(l->value, "devices"), device_append, text);
	table_set(t, 6, l->error ? l->error : text[0] ? text : "-", TABLE_PLAIN);
}

static void put_number(struct json *j, const struct lease_row *l, const char *key, const char *as)
{
	int64_t n;

	if (control_value_number(l->value, key, &n))
		json_put_signed(j, as, n);
	else
		json_put_null(j, as);
}

static void put_time(struct json *j, const struct lease_row *l, const char *key)
{
	char text[40];

	json_put_text(j, key, time_text(l, key, true, text, sizeof(text)) ? text : NULL);
}

static int device_push(void *arg, const char *key, const struct control_value *device)
{
	const char *word = control_value_as_text(device);

	if (word)
		json_push_text(arg, word);
	return 0;
}

static void row_json(struct json *j, const struct lease_row *l)
{
	json_put_text(j, "lease", l->name);
	json_put_text(j, "state", l->state);
	json_put_text(j, "error", l->error);
	put_number(j, l, "user", "user");
	put_number(j, l, "keeper", "keeper");
	put_number(j, l, "pid", "owner");
	put_time(j, l, "since");
	put_time(j, l, "until");
	(void)control_value_each(control_value_member(l->value, "devices"), device_push,
		json_put_list(j, "devices"));
}

static void lease_put(struct listing *list, const char *name)
{
	struct lease_row l = {.name = name};
	struct control_value *v = NULL;
	struct err e = {0};

	int r = borrow_state(BIND_STATE_DIR, name, &v, &e);
	l.value = v;
	l.state = r == 0 ? control_value_text(v, "state") : r == -ECONNREFUSED ? "dead" : NULL;
	l.error = r == 0 ? NULL : l.state ? "its keeper was killed: see 'usher restore'" : e.msg;
	if (list->list)
		row_json(json_push_map(list->list), &l);
	else
		row_text(list->table, &l);
	list->count++;
	control_value_free(v);
}

static int name_is_shown(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

void leases_each(void (*each)(void *arg, const char *name), void *arg)
{
	struct dirent **list = NULL;

	int count = scandir(BIND_STATE_DIR "/lease", &list, name_is_shown, alphasort);
	for (int i = 0; i < count; i++) {
		each(arg, list[i]->d_name);
		free(list[i]);
	}
	free(list);
}

static void name_put(void *arg, const char *name)
{
	lease_put(arg, name);
}

static int print_table(struct err *e)
{
	static const struct table_column columns[] = {
		{"LEASE", TABLE_LEFT},
		{"STATE", TABLE_LEFT},
		{"USER", TABLE_RIGHT},
		{"OWNER", TABLE_RIGHT},
		{"SINCE", TABLE_LEFT},
		{"UNTIL", TABLE_LEFT},
		{"DEVICES", TABLE_SHRINK},
	};
	struct listing l = {0};

	int r = table_new(columns, COUNT(columns), &l.table, e);
	if (r < 0)
		return r;
	leases_each(name_put, &l);
	if (l.count)
		r = table_print(l.table, e);
	else
		report_note("there is no lease");
	table_free(l.table);
	return r;
}

static int print_json(struct err *e)
{
	struct listing l = {0};
	struct json *doc = NULL;

	int r = json_new("leases", &doc, e);
	if (r < 0)
		return r;
	l.list = json_put_list(doc, "leases");
	leases_each(name_put, &l);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}

static int leases_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {{"json", no_argument, NULL, JSON}, {0}};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	bool json = false;
	struct err e = {0};
	int c;

	while ((c = option_next(&o)) > 0)
		json = true;
	if (c != OPTION_END)
		return option_leave(c);
	if (optind < argc)
		return option_wrong(v, "unexpected operand '%s'", argv[optind]);
	int r = json ? print_json(&e) : print_table(&e);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

const struct verb verb_leases = {
	.name = "leases",
	.summary = "list leases, with their borrowers and devices",
	.help = "leases [OPTION…]\n"
		"\n"
		"Lists the leases of 'usher lease': state, the borrower's user and process, since\n"
		"when, until when, and the devices. 'dead' is one whose keeper was killed: 'usher\n"
		"restore' returns its devices. Who had what before is in /var/log/usher/leases.\n"
		"\n"
		"  -j, --json             print a JSON document\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher leases\n",
	.run = leases_run,
};
