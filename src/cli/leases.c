/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/env.h"
#include "cli/kept.h"
#include "cli/lease.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/service.h"
#include "cli/verb.h"
#include "control/value.h"
#include "lease/borrow.h"
#include "view/json.h"
#include "view/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void row_text(struct table *t, const struct lease_row *l)
{
	(void)table_row(t, NULL);
	table_set(t, 0, l->name, TABLE_BOLD);
	table_set(t, 1, l->state ? l->state : "?", l->state ? TABLE_PLAIN : TABLE_BAD);
	kept_number_cell(t, 2, l->value, "user");
	kept_number_cell(t, 3, l->value, "pid");
	kept_time_cell(t, 4, l->value, "since");
	kept_time_cell(t, 5, l->value, "until");
	kept_devices_cell(t, 6, l->value, l->error);
}

static void row_json(struct json *j, const struct lease_row *l)
{
	json_put_text(j, "lease", l->name);
	json_put_text(j, "state", l->state);
	json_put_text(j, "error", l->error);
	kept_put_number(j, "user", l->value, "user");
	kept_put_number(j, "keeper", l->value, "keeper");
	kept_put_number(j, "owner", l->value, "pid");
	kept_put_time(j, l->value, "since");
	kept_put_time(j, l->value, "until");
	kept_put_devices(j, l->value);
}

static void lease_put(struct listing *list, const char *name)
{
	struct lease_row l = {.name = name};
	struct control_value *v = NULL;
	struct err e = {0};

	int r = borrow_state(BIND_STATE_DIR, name, &v, &e);
	if (r == -EACCES && borrow_is_dead(BIND_STATE_DIR, name))
		r = -ECONNREFUSED;
	if (r == -EACCES && service_may_run() && service_lease_state(name, &v, NULL) == 0)
		r = 0;
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
