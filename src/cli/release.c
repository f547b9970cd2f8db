/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/num.h"
#include "bind/bind.h"
#include "cli/change.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/target.h"
#include "host/host.h"
#include "lease/audit.h"
#include "view/json.h"
#include "view/release.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct arguments {
	struct targets targets;
	struct bind_release_request giving;
	struct bind_env env;
};

static int parse_return(struct arguments *a, const char *text)
{
	static const char *const words[] = {
		[BIND_RETURN_DRIVER] = "driver",
		[BIND_RETURN_VFIO] = "vfio",
		[BIND_RETURN_NONE] = "none",
	};

	for (unsigned i = 0; i < COUNT(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			a->giving.how = (enum bind_return)i;
			return 0;
		}
	}
	return option_wrong(
		a->targets.verb, "--return: '%s' is not one of driver, vfio, none", text);
}

enum { RETURN = 1, TIMEOUT };

static int release_option(void *arg, int c, const char *text)
{
	struct arguments *a = arg;

	switch (c) {
	case RETURN:
		return parse_return(a, text);
	case TIMEOUT:
		return targets_timeout(&a->env, a->targets.verb, text);
	default:
		return targets_option(&a->targets, c, text);
	}
}

static int release_parse(const struct verb *v, int argc, char **argv, struct arguments *a)
{
	static const struct option takes[] = {
		{"return", required_argument, NULL, RETURN},
		{"allow", required_argument, NULL, TARGETS_ALLOW},
		{"timeout", required_argument, NULL, TIMEOUT},
		{"dry-run", no_argument, NULL, TARGETS_DRY_RUN},
		{"json", no_argument, NULL, TARGETS_JSON},
		{"host", required_argument, NULL, TARGETS_HOST},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};

	int r = options_take(&o, release_option, a);
	return r ? r : targets_open(&a->targets, &a->env.host, argc - optind, argv + optind, 1);
}

/* Each group on its own: a refused group does not stop the others. */
static int release_groups(struct arguments *a, const int *groups, int count, struct json *doc)
{
	struct json *list = doc ? json_put_list(doc, "devices") : NULL;
	struct json *failures = doc ? json_put_list(doc, "failures") : NULL;
	char object[24];
	struct err e = {0};
	int leave = LEAVE_OK;

	change_begin();
	for (int i = 0; i < count; i++) {
		struct bind_report done = BIND_REPORT_NONE;
		a->giving.group = groups[i];
		int r = bind_release(&a->env, &a->giving, &done, &e);
		const int logged =
			a->targets.dry_run ? 0 : audit_write_restored(LEASE_LOG, r, &done);
		if (logged < 0)
			report_note("warning: group %d: its return is not in the log " LEASE_LOG
				    ": %s",
				groups[i], strerror(-logged));
		if (list)
			release_json(list, groups[i], &done);
		else
			release_text(stdout, &done);
		if (r == 0 && done.idle)
			report_note("group %d: nothing to release: no device of it is on a VFIO "
				    "driver",
				groups[i]);
		bind_report_fini(&done);
		if (r == 0)
			continue;
		report(&e);
		(void)snprintf(object, sizeof(object), "group %d", groups[i]);
		if (failures)
			release_json_failure(failures, object, &e);
		if (leave != LEAVE_FAILED)
			leave = r == -EPERM ? LEAVE_REFUSED : LEAVE_FAILED;
	}
	return leave;
}

static int release_targets(struct arguments *a)
{
	int groups[TARGETS_MAX];
	struct json *doc = NULL;
	struct err e = {0};

	int count = targets_groups(&a->targets, &a->env, groups, &e);
	int r = count;
	if (r >= 0 && a->targets.json)
		r = json_new("release", &doc, &e);
	if (r < 0) {
		report(&e);
		return LEAVE_FAILED;
	}
	if (doc)
		json_put_flag(doc, "dry_run", a->targets.dry_run);
	int leave = release_groups(a, groups, count, doc);
	if (doc && json_print(doc, &e) < 0) {
		report(&e);
		leave = LEAVE_FAILED;
	}
	json_free(doc);
	return leave;
}

static int release_run(const struct verb *v, int argc, char **argv)
{
	struct arguments a = {
		.targets.verb = v,
		.giving.how = BIND_RETURN_DRIVER,
		.env = bind_env_live(),
	};

	int r = release_parse(v, argc, argv, &a);
	if (r)
		return option_leave(r);
	a.giving.dry_run = a.targets.dry_run;
	a.giving.allow = a.targets.allow;
	a.giving.allow_count = a.targets.allow_count;
	int leave = release_targets(&a);
	host_close(a.env.host);
	return leave;
}

const struct verb verb_release = {
	.name = "release",
	.summary = "return devices, with their IOMMU groups, to their drivers",
	.help = "release DEVICE… [OPTION…]\n"
		"\n"
		"Returns every device in the IOMMU groups of the named devices to its original\n"
		"driver and override. If another tool bound a device to a VFIO driver, its\n"
		"override is cleared and the kernel chooses a driver. Refuses while a guest has\n"
		"the group open. A device that cannot be reset stays on its VFIO driver.\n"
		"\n"
		"      --return WHERE     driver, their first one, none, or vfio, which only ends\n"
		"                         the lease (default: driver)\n"
		"      --allow CHECK      no-reset: return a device without a reset; or skip a\n"
		"                         check of use; may be repeated\n"
		"      --timeout SECONDS  give up on a kernel write after this time (default: 30)\n"
		"      --dry-run          print where each device would go, and change nothing\n"
		"  -j, --json             print a JSON document\n"
		"      --host FILE        plan on a snapshot of a host (with --dry-run)\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher release 0000:03:00.0\n",
	.run = release_run,
};
