/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "bind/bind.h"
#include "cli/change.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/target.h"
#include "desktop/change.h"
#include "engine/state.h"
#include "host/host.h"
#include "lease/audit.h"
#include "pci/vfs.h"
#include "program/cgroup.h"
#include "program/uid.h"
#include "revive/apply.h"
#include "vfs/plan.h"
#include "view/json.h"
#include "view/release.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct arguments {
	struct targets targets;
	int groups[TARGETS_MAX]; /* of the targets */
	int group_count;
	bool revived; /* a revival of a target was completed */
	enum bind_manual manual;
};

/* The lists of the document; all NULL for text. */
struct restore_lists {
	struct json *leases, *devices, *functions, *failures;
	size_t count; /* of leases that were found */
};

enum { ALL = 1 };

static int restore_option(void *arg, int c, const char *text)
{
	struct arguments *a = arg;

	if (c != ALL)
		return targets_option(&a->targets, c, text);
	a->manual = BIND_MANUAL_RELEASE;
	return 0;
}

static int restore_parse(
	const struct verb *v, int argc, char **argv, struct arguments *a, struct host **ret)
{
	static const struct option takes[] = {
		{"all", no_argument, NULL, ALL},
		{"dry-run", no_argument, NULL, TARGETS_DRY_RUN},
		{"json", no_argument, NULL, TARGETS_JSON},
		{"host", required_argument, NULL, TARGETS_HOST},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};

	int r = options_take(&o, restore_option, a);
	return r ? r : targets_open(&a->targets, ret, argc - optind, argv + optind, 0);
}

static bool is_meant(const struct arguments *a, int group)
{
	for (int i = 0; i < a->group_count; i++)
		if (a->groups[i] == group)
			return true;
	return a->targets.count == 0;
}

static bool is_left_alone(const struct arguments *a, const struct bind_lease *l)
{
	return l->state == BIND_LEASE_LIVE ||
	       (l->state == BIND_LEASE_MANUAL && a->manual == BIND_MANUAL_STAYS);
}

/* A busy group is checked again under its lock: a writer may outlive its usher briefly. */
static const char *lease_intent(const struct arguments *a, enum bind_lease_state s, int left)
{
	if (s == BIND_LEASE_BUSY && !a->targets.dry_run)
		return "waiting for it";
	return left || s == BIND_LEASE_BUSY ? "left alone" : "restore";
}

/* Behind "left alone". */
static const char *lease_advice(enum bind_lease_state s)
{
	return s == BIND_LEASE_BUSY ? ": run 'usher restore' again when the device is free" : "";
}

static void put_lease(
	struct json *list, const char *object, const struct bind_lease *l, const char *intent)
{
	struct json *j = json_push_map(list);

	json_put_text(j, "object", object);
	json_put_text(j, "text", l->text);
	json_put_text(j, "intent", intent);
}

/* Announces what becomes of a lease. */
static void tell_lease(struct restore_lists *lists, const char *object, const struct bind_lease *l,
	const char *intent)
{
	report_note("%s: %s: %s", object, l->text, intent);
	lists->count++;
	if (lists->leases)
		put_lease(lists->leases, object, l, intent);
}

static void tell_failure(const struct restore_lists *lists, const char *object, const struct err *e)
{
	report(e);
	if (lists->failures)
		release_json_failure(lists->failures, object, e);
}

static int restore_group(struct arguments *a, const struct bind_env *env,
	const struct bind_lease *l, struct restore_lists *lists)
{
	struct bind_report done = BIND_REPORT_NONE;
	struct err e = {0};
	char object[24];

	(void)snprintf(object, sizeof(object), "group %d", l->group);
	tell_lease(lists, object, l, lease_intent(a, l->state, is_left_alone(a, l)));
	if (a->targets.dry_run || is_left_alone(a, l))
		return LEAVE_OK;
	int r = bind_restore(env, l->group, a->manual, &done, &e);
	if (r == 1)
		report_note("group %d: left alone%s", l->group, lease_advice(l->state));
	const int logged = audit_write_restored(LEASE_LOG, r, &done);
	if (logged < 0)
		report_note("warning: %s: its return is not in the log " LEASE_LOG ": %s", object,
			strerror(-logged));
	if (lists->devices)
		release_json(lists->devices, l->group, &done);
	else
		release_text(stdout, &done);
	bind_report_fini(&done);
	if (r < 0)
		tell_failure(lists, object, &e);
	return r >= 0 ? LEAVE_OK : r == -EPERM ? LEAVE_REFUSED : LEAVE_FAILED;
}

static bool is_named(const struct arguments *a, struct pci_address address)
{
	for (size_t i = 0; i < a->targets.count; i++)
		if (pci_address_equal(a->targets.list[i].address, address))
			return true;
	return a->targets.count == 0;
}

static void put_function(struct json *list, const struct bind_env *env, const struct bind_lease *l,
	uint64_t before, bool left, const char *why)
{
	char address[PCI_ADDRESS_TEXT];
	struct json *j = json_push_map(list);

	json_put_text(j, "address", pci_address_format(l->address, address));
	json_put_number(j, "from", before);
	json_put_number(j, "to", pci_vfs_read(env->host, l->address).active);
	json_put_flag(j, "left", left);
	json_put_text(j, "text", why);
}

static int restore_function(struct arguments *a, const struct bind_env *env,
	const struct bind_lease *l, struct restore_lists *lists)
{
	bool left = l->state == BIND_LEASE_MANUAL && a->manual == BIND_MANUAL_STAYS;
	uint64_t before = lists->functions ? pci_vfs_read(env->host, l->address).active : 0;
	char address[PCI_ADDRESS_TEXT];
	struct err e = {0};

	tell_lease(
		lists, pci_address_format(l->address, address), l, lease_intent(a, l->state, left));
	int r = a->targets.dry_run || left ? 0 : vfs_restore(env, l->address, a->manual, &e);
	if (r == 1)
		report_note("%s: left alone%s", address, lease_advice(l->state));
	if (lists->functions)
		put_function(
			lists->functions, env, l, before, left || r != 0, r < 0 ? e.msg : l->text);
	if (r < 0)
		tell_failure(lists, address, &e);
	return r >= 0 ? LEAVE_OK : r == -EPERM ? LEAVE_REFUSED : LEAVE_FAILED;
}

/* After the groups: a virtual function must be returned before it can be removed. */
static int restore_functions(
	struct arguments *a, const struct bind_env *env, struct restore_lists *lists)
{
	cleanup_free struct bind_lease *leases = NULL;
	struct err e = {0};
	size_t count = 0;
	int leave = LEAVE_OK;

	if (vfs_leases(env, &leases, &count, &e) < 0) {
		report(&e);
		return LEAVE_FAILED;
	}
	for (size_t i = 0; i < count; i++) {
		if (!is_named(a, leases[i].address))
			continue;
		int one = restore_function(a, env, &leases[i], lists);
		leave = one == LEAVE_FAILED || leave == LEAVE_OK ? one : leave;
	}
	return leave;
}

static int restore_revival(struct arguments *a, const struct bind_env *env,
	const struct bind_lease *l, struct restore_lists *lists)
{
	char address[PCI_ADDRESS_TEXT];
	struct err e = {0};

	tell_lease(lists, pci_address_format(l->address, address), l,
		lease_intent(a, l->state, false));
	int r = a->targets.dry_run ? 0 : revive_restore(env, l->address, &e);
	if (r == 1)
		report_note("%s: left alone%s", address, lease_advice(l->state));
	if (r < 0)
		tell_failure(lists, address, &e);
	a->revived = true;
	return r >= 0 ? LEAVE_OK : LEAVE_FAILED;
}

/* Before the groups: a device that a revival removed must be there to be returned. */
static int restore_revivals(
	struct arguments *a, const struct bind_env *env, struct restore_lists *lists)
{
	cleanup_free struct bind_lease *leases = NULL;
	struct err e = {0};
	size_t count = 0;
	int leave = LEAVE_OK;

	if (revive_leases(env, &leases, &count, &e) < 0) {
		report(&e);
		return LEAVE_FAILED;
	}
	for (size_t i = 0; i < count; i++)
		if (is_named(a, leases[i].address) &&
			restore_revival(a, env, &leases[i], lists) != LEAVE_OK)
			leave = LEAVE_FAILED;
	return leave;
}

static void say_step(void *arg, const char *text)
{
	report_note("%s: %s", (const char *)arg, text);
}

static int restore_desktop(struct arguments *a, const struct bind_env *env,
	const struct bind_lease *l, struct restore_lists *lists)
{
	bool left = l->state == BIND_LEASE_LIVE;
	char address[PCI_ADDRESS_TEXT];
	struct err e = {0};

	tell_lease(
		lists, pci_address_format(l->address, address), l, lease_intent(a, l->state, left));
	int r = a->targets.dry_run || left
			? 0
			: desktop_restore(env, l->address, say_step, address, &e);
	if (r < 0)
		tell_failure(lists, address, &e);
	return r >= 0 ? LEAVE_OK : LEAVE_FAILED;
}

/* After the groups: a console and a desktop need the card on its driver. */
static int restore_desktops(
	struct arguments *a, const struct bind_env *env, struct restore_lists *lists)
{
	cleanup_free struct bind_lease *leases = NULL;
	struct err e = {0};
	size_t count = 0;
	int leave = LEAVE_OK;

	if (desktop_leases(env, &leases, &count, &e) < 0) {
		report(&e);
		return LEAVE_FAILED;
	}
	for (size_t i = 0; i < count; i++)
		if (is_named(a, leases[i].address) &&
			restore_desktop(a, env, &leases[i], lists) != LEAVE_OK)
			leave = LEAVE_FAILED;
	return leave;
}

static int restore_leases(
	struct arguments *a, const struct bind_env *env, struct json *doc, struct err *e)
{
	struct restore_lists lists = {0};
	cleanup_free struct bind_lease *leases = NULL;
	size_t count = 0;

	if (doc) {
		json_put_flag(doc, "dry_run", a->targets.dry_run);
		lists = (struct restore_lists){json_put_list(doc, "leases"),
			json_put_list(doc, "devices"), json_put_list(doc, "functions"),
			json_put_list(doc, "failures")};
	}
	int leave = restore_revivals(a, env, &lists);
	a->group_count = targets_groups(&a->targets, env, a->groups, e);
	if (a->group_count < 0 && !(a->group_count == -ENODEV && a->revived)) {
		report(e);
		return LEAVE_FAILED;
	}
	if (bind_leases(env, &leases, &count, e) < 0) {
		report(e);
		return LEAVE_FAILED;
	}
	for (size_t i = 0; i < count; i++) {
		if (!is_meant(a, leases[i].group))
			continue;
		int one = restore_group(a, env, &leases[i], &lists);
		leave = one == LEAVE_FAILED || leave == LEAVE_OK ? one : leave;
	}
	int functions = restore_functions(a, env, &lists);
	leave = functions == LEAVE_FAILED || leave == LEAVE_OK ? functions : leave;
	int desktops = restore_desktops(a, env, &lists);
	leave = desktops == LEAVE_FAILED || leave == LEAVE_OK ? desktops : leave;
	if (!lists.count && leave == LEAVE_OK)
		report_note("nothing to restore: usher keeps no device%s",
			a->targets.count ? " of these groups" : "");
	if (doc && json_print(doc, e) < 0) {
		report(e);
		return LEAVE_FAILED;
	}
	return leave;
}

static int restore_and_sweep(
	struct arguments *a, const struct bind_env *env, struct json *doc, struct err *e)
{
	change_begin();
	int leave = restore_leases(a, env, doc, e);
	if (!a->targets.dry_run) {
		cgroup_sweep();
		const unsigned swept = state_sweep(env->state);
		if (swept)
			report_note("removed what %u killed keeper%s left", swept,
				swept == 1 ? "" : "s");
		uid_sweep(env->state);
	}
	return leave;
}

static int restore_run(const struct verb *v, int argc, char **argv)
{
	struct arguments a = {.targets.verb = v, .manual = BIND_MANUAL_STAYS};
	struct bind_env env = bind_env_live();
	struct json *doc = NULL;
	struct err e = {0};

	int r = restore_parse(v, argc, argv, &a, &env.host);
	if (r)
		return option_leave(r);
	if (a.targets.json)
		r = json_new("restore", &doc, &e);
	int leave = LEAVE_FAILED;
	if (r < 0)
		report(&e);
	else
		leave = restore_and_sweep(&a, &env, doc, &e);
	json_free(doc);
	host_close(env.host);
	return leave;
}

const struct verb verb_restore = {
	.name = "restore",
	.summary = "return devices that a crash left bound",
	.help = "restore [DEVICE…] [OPTION…]\n"
		"\n"
		"Returns every IOMMU group whose owner has exited, or whose bind was interrupted,\n"
		"to the state recorded in /run/usher/journal, and removes stale entries. Sets the\n"
		"original number of virtual functions again if their change was interrupted, and\n"
		"completes an interrupted 'usher revive'. Starts a desktop again that was stopped\n"
		"for a guest (run --display-handover). Groups in use are reported and left alone.\n"
		"May be run at any time.\n"
		"\n"
		"      --all              also return what 'usher bind' and 'usher vfs' keep\n"
		"      --dry-run          report what would be done, and change nothing\n"
		"  -j, --json             print a JSON document\n"
		"      --host FILE        report on a snapshot of a host (with --dry-run)\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher restore\n",
	.run = restore_run,
};
