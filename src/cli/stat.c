/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/num.h"
#include "cli/guest.h"
#include "cli/report.h"
#include "control/value.h"
#include "view/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIGURE_NAME 96
#define WATCH_MAX_S 3600

enum { JSON = 1, WATCH };

/* Figures by their full name: "exits.io". */
struct figure {
	char name[FIGURE_NAME];
	int64_t value;
};

struct figures {
	struct figure *list;
	size_t count, room;
	char path[FIGURE_NAME];
};

static int figure_add(struct figures *f, const char *key, int64_t value)
{
	if (f->count == f->room) {
		size_t room = f->room ? 2 * f->room : 64;
		struct figure *more = realloc(f->list, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		f->list = more;
		f->room = room;
	}
	struct figure *one = &f->list[f->count++];
	(void)snprintf(one->name, sizeof(one->name), "%s%s", f->path, key);
	one->value = value;
	return 0;
}

static int member_add(void *arg, const char *key, const struct control_value *member)
{
	struct figures *f = arg;

	if (control_value_is_number(member))
		return figure_add(f, key, control_value_as_number(member));
	size_t len = strlen(f->path);
	(void)snprintf(f->path + len, sizeof(f->path) - len, "%s.", key ? key : "");
	int r = control_value_each(member, member_add, f);
	f->path[len] = '\0';
	return r;
}

static int figures_ask(struct control_link *l, struct figures *ret, struct err *e)
{
	struct control_value *v = NULL;

	*ret = (struct figures){0};
	int r = control_ask(l, "{\"command\":\"statistics\"}\n", &v, e);
	if (r < 0)
		return r;
	r = control_value_each(control_value_member(v, "statistics"), member_add, ret);
	control_value_free(v);
	return r < 0 ? err_set(e, r, "read the statistics") : 0;
}

static void put_member(struct json *to, const char *key, const struct control_value *member);

static int member_put(void *arg, const char *key, const struct control_value *member)
{
	put_member(arg, key, member);
	return 0;
}

static void put_member(struct json *to, const char *key, const struct control_value *member)
{
	if (!key)
		return;
	if (control_value_is_number(member))
		json_put_signed(to, key, control_value_as_number(member));
	else if (control_value_is_text(member))
		json_put_text(to, key, control_value_as_text(member));
	else
		(void)control_value_each(member, member_put, json_put_map(to, key));
}

static int print_json(struct control_link *l, const char *name, struct err *e)
{
	struct control_value *v = NULL;
	struct json *doc;

	int r = control_ask(l, "{\"command\":\"statistics\"}\n", &v, e);
	if (r < 0)
		return r;
	r = json_new("stat", &doc, e);
	if (r == 0) {
		json_put_text(doc, "guest", name);
		put_member(doc, "statistics", control_value_member(v, "statistics"));
		r = json_print(doc, e);
		json_free(doc);
	}
	control_value_free(v);
	return r;
}

static int print_text(struct control_link *l, struct err *e)
{
	struct figures f;

	int r = figures_ask(l, &f, e);
	for (size_t i = 0; r == 0 && i < f.count; i++)
		(void)printf("%-40s %" PRId64 "\n", f.list[i].name, f.list[i].value);
	free(f.list);
	return r;
}

static int64_t value_before(const struct figures *f, const char *name)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->list[i].name, name) == 0)
			return f->list[i].value;
	return 0;
}

/* What has changed, and how fast. */
static void print_rates(const struct figures *was, const struct figures *now, unsigned seconds)
{
	(void)printf("%s%-40s %16s %12s\n", isatty(STDOUT_FILENO) ? "\033[H\033[J" : "", "",
		"total", "per second");
	for (size_t i = 0; i < now->count; i++) {
		const struct figure *f = &now->list[i];
		int64_t more = f->value - value_before(was, f->name);
		if (more)
			(void)printf("%-40s %16" PRId64 " %12.1f\n", f->name, f->value,
				(double)more / seconds);
	}
	(void)fflush(stdout);
}

/* Until the guest ends. */
static int figures_watch(struct control_link *l, unsigned seconds, struct err *e)
{
	struct figures was, now;

	int r = figures_ask(l, &was, e);
	while (r == 0 && !ferror(stdout)) {
		(void)sleep(seconds);
		r = figures_ask(l, &now, e);
		if (r == 0)
			print_rates(&was, &now, seconds);
		free(was.list);
		was = now;
	}
	free(was.list);
	return r == -EPIPE ? 0 : r;
}

static int stat_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"json", no_argument, NULL, JSON},
		{"watch", optional_argument, NULL, WATCH},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	struct control_link link;
	uint64_t seconds = 0;
	const char *name = "";
	bool json = false;
	struct err e = {0};
	int c;

	while ((c = option_next(&o)) > 0) {
		json |= c == JSON;
		if (c != WATCH)
			continue;
		seconds = 1;
		if (optarg && (num_parse(optarg, 10, WATCH_MAX_S, &seconds) < 0 || !seconds))
			return option_wrong(v, "--watch: '%s' is not a number of seconds up to %d",
				optarg, WATCH_MAX_S);
	}
	if (c != OPTION_END)
		return option_leave(c);
	if (json && seconds)
		return option_wrong(v, "--json prints one document, and --watch many figures");
	int status = guest_connect(v, "watch", argc, argv, &name, &link);
	if (status == 0) {
		int r = json      ? print_json(&link, name, &e)
			: seconds ? figures_watch(&link, (unsigned)seconds, &e)
				  : print_text(&link, &e);
		if (r < 0)
			report(&e);
		status = r < 0 ? LEAVE_FAILED : LEAVE_OK;
	}
	control_disconnect(&link);
	return status;
}

const struct verb verb_stat = {
	.name = "stat",
	.summary = "print a guest's exits, queues, interrupts and mapped memory",
	.help = "stat [OPTION…] NAME\n"
		"\n"
		"Prints what a running guest of usher-vmm has cost so far: exits to usher-vmm by\n"
		"reason and by register block, interrupts by vector, BARs, mapped memory, and\n"
		"what the queues of virtio devices did. A vector that the guest has turned off\n"
		"counts only with 'usher run --stats'.\n"
		"\n"
		"      --watch[=SECONDS]  print again what has changed, and how fast, until the\n"
		"                         guest ends (default: 1)\n"
		"  -j, --json             print a JSON document\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher stat --watch build\n",
	.run = stat_run,
};
