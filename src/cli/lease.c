/* SPDX-License-Identifier: MIT */
#include "cli/lease.h"

#include "base/err.h"
#include "base/num.h"
#include "bind/bind.h"
#include "bind/owner.h"
#include "cli/account.h"
#include "cli/borrow.h"
#include "cli/loan.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/service.h"
#include "cli/service_command.h"
#include "cli/verb.h"
#include "control/client.h"
#include "control/value.h"
#include "engine/keeper.h"
#include "engine/memlock.h"
#include "host/host.h"
#include "lease/borrow.h"
#include "program/command.h"
#include "view/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ENDING_PAUSE_NS 50000000

struct lease_words {
	struct loan_words loan;
	const char *key;
	uint64_t for_s, memlock;
	pid_t owner;
	uint64_t owner_start; /* 0: that which it has now */
	uid_t user;
	bool has_user, ends, json;
	char *const *command; /* NULL: none */
	char name[SERVICE_NAME_MAX];
	pid_t keeper; /* that has started; 0: none */
};

enum { OPT_KEY = 1, OPT_FOR, OPT_OWNER, OPT_USER, OPT_END, OPT_JSON, OPT_MEMLOCK };

static int take_owner(struct lease_words *w, const char *text)
{
	const size_t len = strcspn(text, ":");
	char number[16];
	uint64_t pid;

	(void)snprintf(number, sizeof(number), "%.*s", (int)len, text);
	if (len >= sizeof(number) || num_parse(number, 10, INT32_MAX, &pid) < 0 || !pid ||
		(text[len] && num_parse(text + len + 1, 10, UINT64_MAX, &w->owner_start) < 0))
		return option_wrong(w->loan.verb, "--owner: '%s' is not a process id", text);
	w->owner = (pid_t)pid;
	return 0;
}

static int take_user(struct lease_words *w, const char *text)
{
	const bool is_number = text[0] == '+'; /* a name may be all digits */
	uint64_t id = 0;

	w->has_user = true;
	if (!is_number && account_find(text, &w->user) == 0)
		return 0;
	if (num_parse(text + is_number, 10, UINT32_MAX - 1, &id) < 0)
		return option_wrong(w->loan.verb, "--user: there is no user '%s'", text);
	w->user = (uid_t)id;
	return 0;
}

static int take_memlock(struct lease_words *w, const char *text)
{
	if (strcmp(text, "unlimited") == 0)
		w->memlock = MEMLOCK_ANY;
	else if (num_parse_size(text, &w->memlock) < 0)
		return option_wrong(w->loan.verb,
			"--memlock: '%s' is neither a size such as 512M nor 'unlimited'", text);
	return 0;
}

static int take_option(void *arg, int c, const char *text)
{
	struct lease_words *w = arg;

	switch (c) {
	case OPT_KEY:
		w->key = text;
		return lease_key_check(w->loan.verb, text);
	case OPT_FOR:
		if (lease_time_parse(text, &w->for_s) == 0)
			return 0;
		return option_wrong(
			w->loan.verb, "--for: '%s' is not a time such as 90s, 15m, 8h or 2d", text);
	case OPT_OWNER:
		return take_owner(w, text);
	case OPT_USER:
		return take_user(w, text);
	case OPT_MEMLOCK:
		return take_memlock(w, text);
	case OPT_END:
		w->ends = true;
		return 0;
	case OPT_JSON:
		w->json = true;
		return 0;
	default:
		return loan_option(&w->loan, c, text);
	}
}

/* What comes after "--" is the command: it has options of its own. Return: how many are before. */
static int split_words(struct lease_words *w, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0) {
			w->command = argv + i + 1;
			return i;
		}
	return argc;
}

static int check_words(const struct lease_words *w)
{
	const struct verb *v = w->loan.verb;

	if (w->ends)
		return !w->key      ? option_wrong(v, "--end needs --key: whose lease is it")
		       : w->command ? option_wrong(v, "--end runs no command")
		       : w->loan.device_count ? option_wrong(v, "--end takes no device")
					      : 0;
	if (!w->loan.device_count)
		return option_wrong(v, "no device given");
	if (w->command && !w->command[0])
		return option_wrong(v, "no command after '--'");
	if (w->command && w->owner)
		return option_wrong(v, "--owner: the command is the owner");
	if (w->key && w->owner)
		return option_wrong(v, "--owner: whoever has the key has the lease");
	if (w->for_s && !w->key)
		return option_wrong(v, "--for needs --key: this lease ends with its process");
	if (w->json && w->command && !w->loan.plan)
		return option_wrong(v, "--json: the command has standard output for itself");
	if (w->command || w->key || w->owner || w->loan.plan)
		return 0;
	return option_wrong(v, "nobody would have the lease: give a command after '--', or --key");
}

static int take_words(struct lease_words *w, int argc, char **argv)
{
	static const struct option takes[] = {
		{"key", required_argument, NULL, OPT_KEY},
		{"for", required_argument, NULL, OPT_FOR},
		{"owner", required_argument, NULL, OPT_OWNER},
		{"user", required_argument, NULL, OPT_USER},
		{"memlock", required_argument, NULL, OPT_MEMLOCK},
		{"end", no_argument, NULL, OPT_END},
		{"json", no_argument, NULL, OPT_JSON},
		{"allow", required_argument, NULL, LOAN_ALLOW},
		{"plan", no_argument, NULL, LOAN_PLAN},
		{"dry-run", no_argument, NULL, LOAN_PLAN},
		{"host", required_argument, NULL, LOAN_HOST},
		{"quiet", no_argument, NULL, LOAN_QUIET},
		{0},
	};
	struct options o = {.verb = w->loan.verb,
		.argc = split_words(w, argc, argv),
		.argv = argv,
		.takes = takes};

	int r = options_take(&o, take_option, w);
	if (r)
		return r;
	for (int i = optind; i < o.argc; i++) {
		if (w->loan.device_count == SPEC_DEVICES_MAX)
			return option_wrong(w->loan.verb, "at most %d devices", SPEC_DEVICES_MAX);
		w->loan.devices[w->loan.device_count++] = argv[i];
	}
	return check_words(w);
}

static int lease_print(const struct lease_words *w, const struct control_value *v)
{
	struct err e = {0};

	if (!w->json) {
		if (!w->loan.quiet)
			lease_text(w->name, v);
		return LEAVE_OK;
	}
	if (lease_json(w->name, &w->loan.spec, v, &e) == 0)
		return LEAVE_OK;
	report(&e);
	return LOAN_OURS;
}

static int device_compare(void *arg, const char *key, const struct control_value *device)
{
	const struct lease_words *w = arg;
	const char *text = control_value_as_text(device);
	struct pci_address a;

	for (size_t i = 0;
		text && pci_address_parse(text, &a) == 0 && i < w->loan.spec.device_count; i++)
		if (pci_address_equal(w->loan.spec.devices[i].address, a))
			return 0;
	return 1;
}

static int device_count(void *arg, const char *key, const struct control_value *device)
{
	++*(size_t *)arg;
	return 0;
}

/* A key means one set of devices. Return: exit status. */
static int same_check(struct lease_words *w, const struct control_value *v)
{
	const struct control_value *list = control_value_member(v, "devices");
	struct err e = {0};
	size_t count = 0;

	(void)control_value_each(list, device_count, &count);
	if (count == w->loan.spec.device_count && control_value_each(list, device_compare, w) == 0)
		return LEAVE_OK;
	(void)err_say(&e, -EBUSY, "lease '%s' has other devices", w->name);
	err_hint(&e, "'usher leases' lists them; another --key is another lease");
	report(&e);
	return LEAVE_REFUSED;
}

/* The lease of this key or process is there: says so, or becomes the command. */
static int lease_use(struct lease_words *w, const struct control_value *v)
{
	int status = same_check(w, v);
	if (status)
		return status;
	if (w->command)
		return borrow_become(BIND_STATE_DIR, w->name, w->command);
	return lease_print(w, v);
}

/* What the keeper says, once it is not about to return the devices: then it is about to end. */
static int state_await(const struct lease_words *w, struct control_value **ret, struct err *e)
{
	const struct timespec pause = {.tv_nsec = ENDING_PAUSE_NS};

	for (;;) {
		int r = borrow_state(BIND_STATE_DIR, w->name, ret, e);
		const char *state = r == 0 ? control_value_text(*ret, "state") : NULL;
		if (r == 0 && state && strcmp(state, "running") == 0)
			return 0;
		control_value_free(*ret);
		*ret = NULL;
		if (r < 0 && r != -EPIPE)
			return r;
		(void)nanosleep(&pause, NULL);
	}
}

/* Return: an exit status; -ENOENT there is none. */
static int lease_find(struct lease_words *w)
{
	struct control_value *v = NULL;
	struct err e = {0};

	int r = state_await(w, &v, &e);
	/* Of a keeper that was killed there is a folder, which a new one may have. */
	if (r == -ENOENT || r == -ECONNREFUSED)
		return -ENOENT;
	if (r < 0)
		report(&e);
	int status = r < 0 ? LOAN_OURS : lease_use(w, v);
	control_value_free(v);
	return status;
}

/* struct borrow.tell */
static void print_news(void *arg, const struct keeper_news *n)
{
	struct lease_words *w = arg;
	char address[PCI_ADDRESS_TEXT];

	if (n->event == KEEPER_STARTED)
		w->keeper = n->pid;
	/* Another process has taken the lease of this key meanwhile: that is the same one. */
	if (n->event == KEEPER_FAILED && n->error->code == -EBUSY && w->key)
		return;
	loan_print(&w->loan, n);
	if (n->event != KEEPER_WIPED)
		return;
	(void)pci_address_format(n->wiped->address, address);
	if (n->wiped->code < 0)
		report_note("%s: not reset: %s", address, n->wiped->text);
	else if (!w->loan.quiet)
		report_note("%s: reset by %s", address, n->wiped->text);
}

static int borrower_of(struct lease_words *w, struct lease *l)
{
	struct err e = {0};

	l->user = w->has_user ? w->user : getuid();
	if (!w->owner)
		return 0;
	int r = bind_owner_start(host_live(), w->owner, &l->owner_start);
	if (r >= 0 && !w->has_user)
		r = bind_owner_user(host_live(), w->owner, &l->user);
	if (r < 0) {
		(void)err_say(&e, -ESRCH, "--owner: there is no process %d", (int)w->owner);
		report(&e);
		return LOAN_OURS;
	}
	l->owner = w->owner;
	l->owner_start = w->owner_start ? w->owner_start : l->owner_start;
	return 0;
}

/* Before any device is touched. Return: 0, or an exit status with the reason told. */
static int command_check(const struct lease_words *w)
{
	char path[COMMAND_PATH_MAX];
	struct err e = {0};

	if (!w->command || command_find(w->command[0], geteuid(), getegid(), path, &e) == 0)
		return 0;
	report(&e);
	return e.code == -ENOENT || e.code == -ENOTDIR ? 127 : 126; /* as for env(1) */
}

/* Prints a lease that has begun, of which all is known but when it expires. */
static int lease_print_new(const struct lease_words *w)
{
	struct control_value *v = NULL;
	char text[40];
	struct err e = {0};

	int len = snprintf(text, sizeof(text), "{\"keeper\":%d}", (int)w->keeper);
	int r = control_value_parse(text, (size_t)len, &v, &e);
	if (r < 0)
		report(&e);
	int status = r < 0 ? LOAN_OURS : lease_print(w, v);
	control_value_free(v);
	return status;
}

static int lease_take(struct lease_words *w)
{
	struct keeper k = loan_keeper(&w->loan);
	struct borrow b = {
		.lease = {.env = k.env,
			.spec = &w->loan.spec,
			.allow = w->loan.allow,
			.allow_count = w->loan.allow_count,
			.for_s = w->for_s,
			.memlock = w->memlock,
			.log = LEASE_LOG},
		.command = w->key ? NULL : w->command,
		.tell = print_news,
		.arg = w,
	};

	int r = command_check(w);
	if (r)
		return r;
	r = w->key ? lease_find(w) : -ENOENT;
	if (r != -ENOENT)
		return r;
	r = borrower_of(w, &b.lease);
	if (r == 0)
		r = borrow_run(&b);
	/* Without a key, a lease of that name is another borrower's, of an earlier process id. */
	if (b.command || (r && (r != -EBUSY || !w->key)))
		return r == -EBUSY ? LOAN_OURS : r;
	if (w->keeper && !w->for_s && !w->command)
		return lease_print_new(w);
	r = lease_find(w);
	return r == -ENOENT ? LOAN_OURS : r;
}

static int print_plan_text(const struct bind_plan *plan)
{
	plan_text(stdout, plan);
	report_problems(plan);
	return 0;
}

/* Return: exit status. */
static int become_command(const struct lease_words *w, const struct borrowed *b)
{
	struct err e = {0};

	(void)borrow_exec(b, w->command, &e);
	report(&e);
	return LOAN_OURS;
}

/* usherd knows it as the keeper says it. What it does not tell is not printed. */
static int lease_print_lent(const struct lease_words *w)
{
	struct control_value *v = NULL;

	(void)service_lease_state(w->name, &v, NULL);
	int status = lease_print(w, v);
	control_value_free(v);
	return status;
}

/* An ordinary user has usherd lend. */
static int lease_ask(struct lease_words *w)
{
	struct pci_address addresses[SPEC_DEVICES_MAX];
	const struct service_lease asked = {.devices = addresses,
		.device_count = w->loan.spec.device_count,
		.key = w->key,
		.for_s = w->for_s,
		.quiet = w->loan.quiet};
	struct borrowed b;
	struct err e = {0};

	if (w->has_user || w->owner || w->loan.allow_count || w->memlock)
		return option_wrong(
			w->loan.verb, "--user, --owner, --memlock and --allow are for root");
	for (size_t i = 0; i < asked.device_count; i++)
		addresses[i] = w->loan.spec.devices[i].address;
	int status = w->key ? lease_key_check_own(w->loan.verb, w->key) : 0;
	if (status == 0)
		status = command_check(w);
	if (status)
		return status;
	if (w->command && !w->key)
		return service_command(&asked, w->command);
	int r = service_lease(&asked, w->name, &b, &e);
	if (r == -ENOTCONN)
		err_hint(&e, "systemctl start usherd; or run 'sudo usher lease …'");
	if (r < 0)
		report(&e);
	status = r == -EPERM  ? LEAVE_REFUSED
		 : r < 0      ? LOAN_OURS
		 : w->command ? become_command(w, &b)
			      : lease_print_lent(w);
	borrowed_close(&b);
	return status;
}

static int show_plan(struct lease_words *w)
{
	const struct keeper k = loan_keeper(&w->loan);
	struct bind_target targets[SPEC_DEVICES_MAX];
	struct bind_plan plan = BIND_PLAN_NONE;
	struct bind_request q;
	struct err e = {0};

	int r = keeper_request(&k, targets, &q, &e);
	if (r == 0)
		r = bind_plan(&k.env, &q, &plan, &e);
	if (r >= 0)
		r = w->json ? lease_plan_json(&w->loan.spec, &plan, &e) : print_plan_text(&plan);
	if (r < 0)
		report(&e);
	int status = r < 0 ? LOAN_OURS : plan.refusals ? LEAVE_REFUSED : LEAVE_OK;
	bind_plan_fini(&plan);
	return status;
}

/* Giving back twice is no error: what the caller wants is so. */
static int lease_end(const struct lease_words *w)
{
	struct err e = {0};

	int r = geteuid() == 0 ? borrow_end(BIND_STATE_DIR, w->key, "{\"command\":\"return\"}\n",
					 LEASE_TIMEOUT_S * 1000 + BORROW_END_MS, &e)
			       : service_return(w->key, &e);
	if (r == 0 || r == -ENOENT)
		return LEAVE_OK;
	report(&e);
	return LEAVE_FAILED;
}

static void name_choose(struct lease_words *w)
{
	if (w->key)
		(void)snprintf(w->name, sizeof(w->name), "%s", w->key);
	else
		(void)snprintf(w->name, sizeof(w->name), "lease-%d", (int)getpid());
	w->loan.spec.name = w->name;
}

static int lease_main(const struct verb *v, int argc, char **argv)
{
	struct lease_words w = {.loan = {.verb = v}};

	int r = take_words(&w, argc, argv);
	if (r)
		return option_leave(r);
	if (w.ends)
		return lease_end(&w);
	name_choose(&w);
	r = loan_open(&w.loan);
	if (r == 0)
		r = w.loan.plan ? show_plan(&w) : geteuid() == 0 ? lease_take(&w) : lease_ask(&w);
	loan_close(&w.loan);
	return r;
}

const struct verb verb_lease = {
	.name = "lease",
	.summary = "lend devices to a process, or to whoever has a key",
	.help = "lease [OPTION…] DEVICE… -- COMMAND [ARGUMENT…]\n"
		"       usher lease [OPTION…] DEVICE… --key WORD [--for TIME] [-- COMMAND…]\n"
		"       usher lease --end --key WORD\n"
		"\n"
		"Checks and takes the IOMMU groups of the devices, as 'usher exec' does, and has\n"
		"a keeper process hold them for a borrower. COMMAND is an ordinary child of the\n"
		"caller, with the caller's rights; it finds the devices by\n"
		"usher_device_inherit(). When it ends, the keeper ends what it has left, resets\n"
		"the devices, and gives them back to their drivers.\n"
		"\n"
		"With --key the lease is held until it is given back, or its time is over, and\n"
		"several commands may use it one after the other. The same key means the same\n"
		"lease: to take it twice is no error, and neither is to give it back twice.\n"
		"\n"
		"An ordinary user has usherd lend the devices, as far as polkit permits it.\n"
		"\n"
		"      --key WORD         hold the lease by this key, which is its name\n"
		"      --for TIME         until 90s, 15m, 8h or 2d are over (default: for ever)\n"
		"      --end              give the lease of the key back, and wait for that\n"
		"      --owner PID[:START]\n"
		"                         lend to that process instead, until it ends; START is\n"
		"                         field 22 of its /proc/PID/stat, and tells it from a\n"
		"                         later one\n"
		"      --user USER        whose lease it is: the keeper may end processes of this\n"
		"                         user that keep a device open (default: the caller)\n"
		"      --memlock SIZE     let the process lock this much memory, for DMA, while\n"
		"                         it has the lease, or 'unlimited' (default: as before)\n"
		"      --allow CHECK      lift a check; may be repeated\n"
		"      --plan, --dry-run  print what would happen, and do nothing\n"
		"      --host FILE        with --plan: on the host of that snapshot\n"
		"  -j, --json             print a JSON document\n"
		"      --quiet            print errors only\n"
		"\n"
		"Exit status: that of COMMAND; 0 the lease is there, or given back; 2 wrong\n"
		"command line; 3 refused; 125 usher failed; 126, 127 COMMAND cannot be run, is\n"
		"not there.\n"
		"\n"
		"Examples:\n"
		"\n"
		"  usher lease 0000:01:00.0 -- ./driver\n"
		"  usher lease 0000:01:00.0 --key tests --for 8h\n"
		"  usher lease --end --key tests\n",
	.run = lease_main,
	.failed = LOAN_OURS,
};
