/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/bind.h"
#include "cli/loan.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/service.h"
#include "cli/verb.h"
#include "engine/exec.h"
#include "engine/keeper.h"
#include "engine/wipe.h"
#include "program/command.h"
#include "view/json.h"
#include "view/plan.h"
#include "view/release.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXEC_MEMLOCK MIB(64)

struct exec_words {
	struct loan_words loan;
	const char *user;
	bool json;
	char program[COMMAND_PATH_MAX];
};

/* As for env(1). */
#define EXEC_ABSENT 127
#define EXEC_BARRED 126

enum { OPT_USER = 1, OPT_MEMLOCK, OPT_JSON };

/* Return: 0, or an exit status with the reason told. */
static int take_option(struct exec_words *w, int c, const char *text)
{
	switch (c) {
	case OPT_USER:
		w->user = text;
		return 0;
	case OPT_MEMLOCK:
		if (num_parse_size(text, &w->loan.spec.memory) < 0)
			return option_wrong(
				w->loan.verb, "--memlock: '%s' is not a size such as 8M", text);
		return 0;
	case OPT_JSON:
		w->json = true;
		return 0;
	default:
		return loan_option(&w->loan, c, text);
	}
}

static int take_words(struct exec_words *w, int argc, char **argv, int *ret_end)
{
	static const struct option takes[] = {
		{"user", required_argument, NULL, OPT_USER},
		{"memlock", required_argument, NULL, OPT_MEMLOCK},
		{"json", no_argument, NULL, OPT_JSON},
		LOAN_OPTIONS,
		{0},
	};
	struct options o = {
		.verb = w->loan.verb, .argc = argc, .argv = argv, .takes = takes, .letters = "+"};
	int c;

	while ((c = option_next(&o)) > 0) {
		int r = take_option(w, c, optarg);
		if (r)
			return r;
	}
	*ret_end = c;
	if (c != OPTION_END)
		return option_leave(c);
	w->loan.spec.engine_args = argv + optind;
	return 0;
}

static const struct passwd *named_user(const char *name)
{
	const struct passwd *u = getpwnam(name);
	uint64_t id;

	if (!u && num_parse(name, 10, UINT32_MAX - 1, &id) == 0)
		u = getpwuid((uid_t)id);
	return u;
}

/* --user, else one for this loan alone: never root. */
static int find_user(struct exec_words *w)
{
	struct guest_spec *s = &w->loan.spec;

	if (!w->user) {
		s->own_user = true;
		s->uid = s->gid = UID_FIRST;
		return 0;
	}
	const struct passwd *u = named_user(w->user);
	if (!u)
		return option_wrong(w->loan.verb, "--user: there is no user '%s'", w->user);
	/* Even without capabilities, root owns every node and attribute of a device. */
	if (u->pw_uid == 0 || u->pw_gid == 0)
		return option_wrong(w->loan.verb,
			"--user: '%s' is %s 0, which owns every device file, so this would not "
			"confine the program; name an ordinary user",
			u->pw_name, u->pw_uid == 0 ? "user" : "of group");
	s->uid = u->pw_uid;
	s->gid = u->pw_gid;
	return 0;
}

/* Before any device is touched. Return: 0, or an exit status with the reason told. */
static int find_program(struct exec_words *w)
{
	struct guest_spec *s = &w->loan.spec;
	struct err e = {0};

	int r = command_find(s->engine_args[0], s->uid, s->gid, w->program, &e);
	s->program = w->program;
	if (r == 0)
		return 0;
	report(&e);
	return r == -ENOENT || r == -ENOTDIR ? EXEC_ABSENT : EXEC_BARRED;
}

static void print_wiped(const struct exec_words *w, const struct wiped *d)
{
	char address[PCI_ADDRESS_TEXT], text[2 * sizeof(d->text)];

	(void)pci_address_format(d->address, address);
	file_escape(text, sizeof(text), d->text);
	if (d->code < 0)
		(void)fprintf(stderr, "%s: not reset: %s\n", address, text);
	else if (!w->loan.quiet)
		(void)fprintf(stderr, "%s: reset by %s\n", address, text);
}

static void print_failure(const struct err *e)
{
	struct err told = *e;

	if ((e->code == -EACCES || e->code == -EPERM) && geteuid() != 0 && !e->hint[0])
		err_hint(&told, "%s",
			service_may_run()
				? "run 'sudo usher exec …'; or 'usher lease DEVICE -- PROGRAM', "
				  "for which usherd lends the device"
				: "run 'sudo usher exec …'; the program itself runs as an "
				  "ordinary user");
	report(&told);
}

/* struct keeper.tell */
static void print_news(void *arg, const struct keeper_news *n)
{
	const struct exec_words *w = arg;

	if (n->event == KEEPER_FAILED) {
		print_failure(n->error);
		return;
	}
	loan_print(&w->loan, n);
	if (n->event == KEEPER_WIPED)
		print_wiped(w, n->wiped);
	if (n->event == KEEPER_ENDED && n->status > 128 && !w->loan.quiet)
		report_note("'%s' was ended by signal %d (%s)", w->loan.spec.engine_args[0],
			n->status - 128, strsignal(n->status - 128));
}

static int print_json(const struct exec_words *w, const struct bind_plan *p, struct err *e)
{
	const struct guest_spec *s = &w->loan.spec;
	struct json *doc = NULL;

	int r = json_new("exec", &doc, e);
	if (r < 0)
		return r;
	struct json *words = json_put_list(doc, "program");
	for (char *const *word = s->engine_args; *word; word++)
		json_push_text(words, *word);
	if (s->own_user)
		json_put_null(doc, "uid");
	else
		json_put_number(doc, "uid", s->uid);
	plan_json(doc, p);
	json_put_flag(doc, "possible", p->refusals == 0);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}

static void print_plan(const struct exec_words *w, const struct bind_plan *p)
{
	const struct guest_spec *s = &w->loan.spec;

	if (s->own_user)
		(void)printf("'%s' as a user of its own\n", s->engine_args[0]);
	else
		(void)printf("'%s' as user %u\n", s->engine_args[0], (unsigned)s->uid);
	plan_text(stdout, p);
	report_problems(p);
}

static int show_plan(const struct exec_words *w, const struct keeper *k)
{
	struct bind_target targets[SPEC_DEVICES_MAX];
	struct bind_plan plan = BIND_PLAN_NONE;
	struct bind_request q;
	struct err e = {0};

	int r = keeper_request(k, targets, &q, &e);
	if (r == 0)
		r = bind_plan(&k->env, &q, &plan, &e);
	if (r < 0) {
		report(&e);
		return LOAN_OURS;
	}
	if (w->json)
		r = print_json(w, &plan, &e);
	else
		print_plan(w, &plan);
	if (r < 0)
		report(&e);
	int status = r < 0 ? LOAN_OURS : plan.refusals ? LEAVE_REFUSED : LEAVE_OK;
	bind_plan_fini(&plan);
	return status;
}

static int exec_program(const struct keeper *k)
{
	struct keeper_end end;

	int r = keeper_run(k, &end);
	return loan_leave(r, &end);
}

/* Return: 0, or an exit status with the reason told. */
static int check_words(struct exec_words *w)
{
	struct err e = {0};

	int r = find_user(w);
	if (r == 0)
		r = loan_open(&w->loan);
	if (r)
		return r;
	if (engine_exec.check(&w->loan.spec, &e) == 0)
		return find_program(w);
	report(&e);
	return LEAVE_USAGE;
}

static int exec_main(const struct verb *v, int argc, char **argv)
{
	struct exec_words w = {.loan = {.verb = v, .spec = {.memory = EXEC_MEMLOCK, .cpus = 1}}};
	char name[SPEC_NAME_MAX];
	int end = OPTION_END;

	int r = take_words(&w, argc, argv, &end);
	if (r || end != OPTION_END)
		return r;
	if (w.json && !w.loan.plan)
		return option_wrong(
			v, "--json needs --plan: PROGRAM has standard output for itself");
	(void)snprintf(name, sizeof(name), "exec-%d", (int)getpid());
	w.loan.spec.name = name;
	r = check_words(&w);
	if (r == 0) {
		struct keeper k = loan_keeper(&w.loan);
		k.engine = &engine_exec;
		k.tell = print_news;
		k.arg = &w;
		r = w.loan.plan ? show_plan(&w, &k) : exec_program(&k);
	}
	loan_close(&w.loan);
	return r;
}

const struct verb verb_exec = {
	.name = "exec",
	.summary = "run a program that drives devices by itself, as an ordinary user",
	.help = "exec --device DEVICE[,KEY=VALUE]… [OPTION…] -- PROGRAM [ARGUMENT…]\n"
		"\n"
		"Checks and takes the IOMMU groups of the devices, opens the devices, and runs\n"
		"PROGRAM with their descriptors. PROGRAM is an ordinary user without groups and\n"
		"capabilities, and sees no process but its own. It finds the devices by\n"
		"usher_device_inherit(), and cannot open others. When it ends, usher kills every\n"
		"process that it left, resets the devices, and gives them back to their drivers.\n"
		"\n"
		"      --device DEVICE    hand over this device; may be repeated. id=VVVV:DDDD\n"
		"                         refuses another device there\n"
		"      --user NAME        user that runs PROGRAM (default: one for this loan\n"
		"                         alone, who can write to no file system but a small one\n"
		"                         at /dev/shm)\n"
		"      --memlock SIZE     memory that PROGRAM may lock for DMA (default: 64M)\n"
		"      --env NAME[=VALUE]\n"
		"                         pass this variable, too; may be repeated. PROGRAM gets\n"
		"                         PATH, TERM, LANG, LC_ALL and TZ, and HOME, USER and\n"
		"                         LOGNAME of its user\n"
		"      --allow CHECK      skip one check: its name is in brackets after a\n"
		"                         refusal, and 'usher check --list' lists all; may be\n"
		"                         repeated\n"
		"      --plan, --dry-run  print what would happen and what prevents it; do\n"
		"                         nothing\n"
		"      --json             print the plan as a JSON document (with --plan)\n"
		"      --host FILE        plan on a snapshot of a host (with --plan)\n"
		"      --quiet            print errors only\n"
		"\n"
		"Exit status: that of PROGRAM; 128 + N when signal N ended it; 2 wrong command\n"
		"line; 3 refused; 125 usher itself failed; 126 PROGRAM cannot be executed; 127\n"
		"there is no PROGRAM.\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher exec --device nvme0n1 --user alice -- ./nvme-read 0 8\n",
	.run = exec_main,
	.failed = LOAN_OURS,
};
