/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/env.h"
#include "cli/guest.h"
#include "cli/kept.h"
#include "cli/report.h"
#include "cli/saved.h"
#include "cli/service.h"
#include "control/value.h"
#include "view/json.h"
#include "view/table.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JSON = 1, ALL };

/* One guest, as its keeper describes it, or as its folder does. */
struct guest_row {
	const char *name;
	const char *state; /* NULL: its keeper does not say */
	const struct control_value *value; /* NULL: likewise */
	const char *error; /* why; NULL */
	int keeper;
	unsigned user; /* who runs it */
};

struct listing {
	struct json *list; /* of --json */
	struct table *table; /* otherwise */
	size_t count;
	bool all; /* saved guests that do not run, too */
};

static void row_text(struct table *t, const struct guest_row *g)
{
	char text[32];
	int64_t n;

	(void)table_row(t, NULL);
	table_set(t, 0, g->name, TABLE_BOLD);
	table_set(t, 1, g->state ? g->state : "?", g->state ? TABLE_PLAIN : TABLE_BAD);
	const char *engine = control_value_text(g->value, "engine");
	table_set(t, 2, engine ? engine : "-", TABLE_PLAIN);
	kept_number_cell(t, 3, g->value, "pid");
	kept_time_cell(t, 4, g->value, "since");
	if (control_value_number(g->value, "memory", &n))
		(void)snprintf(text, sizeof(text), "%" PRId64 "M", n >> 20);
	else
		(void)snprintf(text, sizeof(text), "-");
	table_set(t, 5, text, TABLE_PLAIN);
	kept_devices_cell(t, 6, g->value, g->error);
}

static void row_json(struct json *j, const struct guest_row *g)
{
	json_put_text(j, "name", g->name);
	json_put_text(j, "state", g->state);
	json_put_text(j, "error", g->error);
	json_put_number(j, "user", g->user);
	json_put_text(j, "engine", control_value_text(g->value, "engine"));
	if (g->keeper)
		json_put_signed(j, "keeper", g->keeper);
	else
		json_put_null(j, "keeper");
	kept_put_number(j, "pid", g->value, "pid");
	kept_put_time(j, g->value, "since");
	kept_put_number(j, "memory", g->value, "memory");
	kept_put_number(j, "cpus", g->value, "cpus");
	if (g->value)
		json_put_flag(j, "detached", control_value_flag(g->value, "detached"));
	else
		json_put_null(j, "detached");
	kept_put_devices(j, g->value);
}

/* What is left of a guest whose keeper was killed, or of one that starts or ends just now. */
static const char *state_without_keeper(const struct guest_row *g, int code)
{
	if (code == -EACCES)
		return NULL;
	return g->keeper && (kill(g->keeper, 0) == 0 || errno == EPERM) ? NULL : "dead";
}

static void row_put(struct listing *l, const struct guest_row *g)
{
	if (l->list)
		row_json(json_push_map(l->list), g);
	else
		row_text(l->table, g);
	l->count++;
}

static int guest_put(void *arg, const char *name)
{
	struct guest_row g = {.name = name, .keeper = guest_process(name, "keeper")};
	struct control_link link = CONTROL_LINK_NONE;
	struct control_value *v = NULL;
	char folder[FILE_PATH_MAX];
	struct err e = {0};
	struct stat st;

	if (file_path(folder, sizeof(folder), "%s/vm/%s", guest_run_dir(name), name) == 0 &&
		stat(folder, &st) == 0)
		g.user = st.st_uid;
	int r = control_connect(guest_run_dir(name), name, &link, &e);
	if (r == 0)
		r = control_ask(&link, "{\"command\":\"state\"}\n", &v, &e);
	if (r == -EACCES && service_may_run() && service_guest(name, &v, NULL) == 0)
		r = 0;
	g.value = v;
	g.state = r < 0 ? state_without_keeper(&g, r) : control_value_text(v, "state");
	g.error = r == 0 ? NULL : g.state ? "its keeper was killed: see 'usher restore'" : e.msg;
	row_put(arg, &g);
	control_value_free(v);
	control_disconnect(&link);
	return 0;
}

/* A saved guest that does not run. */
static int saved_put(void *arg, const char *name)
{
	struct guest_row g = {.name = name, .state = "saved"};
	char path[FILE_PATH_MAX];
	struct stat st;

	if (file_path(path, sizeof(path), "%s/vm/%s", guest_run_dir(name), name) == 0 &&
		access(path, F_OK) == 0)
		return 0;
	if (saved_path(name, path, sizeof(path), NULL) == 0 && stat(path, &st) == 0)
		g.user = st.st_uid;
	row_put(arg, &g);
	return 0;
}

static void rows_put(struct listing *l)
{
	(void)guests_each(guest_put, l);
	if (l->all)
		(void)saved_each(saved_put, l);
}

static int print_table(bool all, struct err *e)
{
	static const struct table_column columns[] = {
		{"NAME", TABLE_LEFT},
		{"STATE", TABLE_LEFT},
		{"ENGINE", TABLE_LEFT},
		{"PID", TABLE_RIGHT},
		{"SINCE", TABLE_LEFT},
		{"MEMORY", TABLE_RIGHT},
		{"DEVICES", TABLE_SHRINK},
	};
	struct listing l = {.all = all};

	int r = table_new(columns, COUNT(columns), &l.table, e);
	if (r < 0)
		return r;
	rows_put(&l);
	if (l.count)
		r = table_print(l.table, e);
	else
		report_note(all ? "no guest runs, and none is saved" : "no guest runs");
	table_free(l.table);
	return r;
}

static int print_json(bool all, struct err *e)
{
	struct listing l = {.all = all};
	struct json *doc;

	int r = json_new("ps", &doc, e);
	if (r < 0)
		return r;
	l.list = json_put_list(doc, "guests");
	rows_put(&l);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}

static int ps_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"all", no_argument, NULL, ALL},
		{"json", no_argument, NULL, JSON},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	bool json = false, all = false;
	struct err e = {0};
	int c;

	while ((c = option_next(&o)) > 0) {
		json = json || c == JSON;
		all = all || c == ALL;
	}
	if (c != OPTION_END)
		return option_leave(c);
	if (optind < argc)
		return option_wrong(v, "unexpected operand '%s'", argv[optind]);
	int r = json ? print_json(all, &e) : print_table(all, &e);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

const struct verb verb_ps = {
	.name = "ps",
	.summary = "list guests that run, and the devices that they have",
	.help = "ps [OPTION…]\n"
		"\n"
		"Lists the guests of 'usher run', and the programs of 'usher exec': state,\n"
		"engine, process, start, memory and lent devices. A guest of another user is\n"
		"listed without what only that user may ask. 'dead' is one whose keeper was\n"
		"killed: 'usher restore' returns its devices.\n"
		"\n"
		"      --all              list saved guests, too ('usher start' runs one)\n"
		"  -j, --json             print a JSON document\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher ps\n",
	.run = ps_run,
};
