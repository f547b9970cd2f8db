/* SPDX-License-Identifier: MIT */
/*
 * How it works: usher binds every claimed device that is in its place, one IOMMU group after the
 * other. A refused claim does not stop the others. At boot, the udev rule has already kept other
 * drivers from the devices. So usher writes nothing to /etc then, and a timeout bounds each kernel
 * write, because a boot waits for this.
 */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "bind/gate.h"
#include "claim/claim.h"
#include "claim/rule.h"
#include "claim/stray.h"
#include "cli/change.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/target.h"
#include "cli/user.h"
#include "host/host.h"
#include "view/plan.h"
#include "view/release.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BOOT_TIMEOUT_MS 10000 /* for one write, because the boot waits */
#define OFF_WORD "usher=off"

struct application {
	struct bind_env env;
	struct claim *claims;
	struct claim_judgement *stands;
	size_t count;
	bool *done; /* one for each claim */
	int leave;
};

static void apply_fail(struct application *a, int leave, const struct err *e)
{
	report(e);
	if (a->leave != LEAVE_FAILED)
		a->leave = leave;
}

/* Reports a claim without a matching device. */
static void refuse_claim(struct application *a, size_t i)
{
	const struct claim_judgement *s = &a->stands[i];
	char address[PCI_ADDRESS_TEXT];
	struct err e = {0};

	err_say(&e, -EPERM, "claim %s: %s", a->claims[i].name, s->text);
	if (s->standing == CLAIM_STANDING_MOVED)
		err_hint(&e, "usher unclaim %s, then usher claim %s", a->claims[i].name,
			pci_address_format(s->device.address, address));
	else if (s->standing == CLAIM_STANDING_VOID)
		err_hint(&e, "correct " CLAIMS_DIR "/%s.claim", a->claims[i].name);
	else
		err_hint(&e, "if the device was removed: usher unclaim %s", a->claims[i].name);
	apply_fail(a, LEAVE_REFUSED, &e);
}

/* An unclaimed device of the same model is in the claimed place: return it to its driver. */
static void give_stray(struct application *a, size_t i)
{
	const struct claim *c = &a->claims[i];
	const struct pci_device *stray = &a->stands[i].stray;
	struct bind_report done = BIND_REPORT_NONE;
	char address[PCI_ADDRESS_TEXT];
	struct err e = {0};

	int r = claim_stray_return(
		&a->env, stray, c->driver[0] ? c->driver : "vfio-pci", &done, &e);
	if (r == 1)
		report_note("%s: is in the place of claim %s but is another device: "
			    "returned to its driver",
			pci_address_format(stray->address, address), c->name);
	release_text(stdout, &done);
	bind_report_fini(&done);
	if (r < 0)
		apply_fail(a, r == -EPERM ? LEAVE_REFUSED : LEAVE_FAILED, &e);
}

static bool same_wish(const struct claim *x, const struct claim *y)
{
	return strcmp(x->driver, y->driver) == 0 && strcmp(x->user, y->user) == 0 &&
	       strcmp(x->user_group, y->user_group) == 0;
}

/* Return: 0, -ENOENT if the user does not exist. */
static int find_access(const struct claim *c, struct bind_access *ret, struct err *e)
{
	*ret = BIND_ACCESS_NONE;
	if (c->user[0] && user_find(c->user, ret) < 0)
		err_say(e, -ENOENT, "claim %s: there is no user '%s'", c->name, c->user);
	else if (c->user_group[0] && user_find_group(c->user_group, ret) < 0)
		err_say(e, -ENOENT, "claim %s: there is no group '%s'", c->name, c->user_group);
	else
		return 0;
	err_hint(e, "correct " CLAIMS_DIR "/%s.claim", c->name);
	return -ENOENT;
}

/* Puts all claims of a group into one request, so that all claimed members are targets of it. */
static size_t gather_group(struct application *a, size_t first, struct bind_request *q,
	struct bind_target targets[TARGETS_MAX])
{
	size_t n = 0;

	q->driver = a->claims[first].driver[0] ? a->claims[first].driver : NULL;
	for (size_t i = first; i < a->count && n < TARGETS_MAX; i++) {
		const struct pci_device *d = &a->stands[i].device;
		if (a->stands[i].standing != CLAIM_STANDING_AT ||
			(i != first && d->group != a->stands[first].device.group))
			continue;
		if (!same_wish(&a->claims[i], &a->claims[first]))
			continue; /* gets a request of its own */
		targets[n++] = (struct bind_target){d->address, true, d->vendor, d->device};
		a->done[i] = true;
	}
	return n;
}

static void take_group(struct application *a, size_t first)
{
	/* `usher claim` has checked that this user may get the whole group. */
	static const char *const allowed[] = {"user"};
	struct bind_target targets[TARGETS_MAX];
	struct bind_request q = {
		.targets = targets, .allow = allowed, .allow_count = COUNT(allowed)};
	struct bind_plan plan = BIND_PLAN_NONE;
	struct err e = {0};

	q.target_count = gather_group(a, first, &q, targets);
	q.claimed = q.driver ? q.driver : "vfio-pci";
	int r = find_access(&a->claims[first], &q.access, &e);
	if (r == 0)
		r = bind_take(&a->env, &q, &plan, &e);
	if (r == 0 || plan.refusals)
		report_problems(&plan);
	if (r == 0)
		plan_text(stdout, &plan);
	else if (!plan.refusals)
		apply_fail(a, LEAVE_FAILED, &e);
	else if (a->leave == LEAVE_OK)
		a->leave = LEAVE_REFUSED;
	bind_plan_fini(&plan);
}

/* Reports whether a claimed device is bound as claimed. */
static void check_claim(struct application *a, size_t i)
{
	const struct claim *c = &a->claims[i];
	const struct pci_device *d = &a->stands[i].device;
	char address[PCI_ADDRESS_TEXT];
	struct err e = {0};

	pci_address_format(d->address, address);
	bool good = c->driver[0] ? strcmp(d->driver, c->driver) == 0 : bind_on_vfio(a->env.host, d);
	if (good) {
		(void)printf("%s: is bound to %s, as claimed\n", address, d->driver);
		return;
	}
	err_say(&e, -EINVAL, "%s: is bound to %s, not to %s as claimed", address,
		d->driver[0] ? d->driver : "no driver", c->driver[0] ? c->driver : "a VFIO driver");
	err_hint(&e, "usher apply");
	apply_fail(a, LEAVE_FAILED, &e);
}

enum mode { MODE_NOW, MODE_BOOT, MODE_CHECK };

static int apply_claims(struct application *a, enum mode mode, struct err *e)
{
	int r = claim_list(a->env.host, CLAIMS_DIR, &a->claims, &a->count, e);
	if (r < 0)
		return r;
	r = claim_judge(a->env.host, a->claims, a->count, &a->stands, e);
	if (r < 0)
		return r;
	if (!a->count)
		report_note("no device is claimed: usher claim ADDRESS claims one");
	if (mode == MODE_NOW)
		r = claim_rule_write(a->env.host, CLAIMS_DIR, CLAIM_RULE_PATH, e);
	if (r < 0)
		return r;
	a->done = calloc(a->count ? a->count : 1, sizeof(*a->done));
	if (!a->done)
		return err_set(e, -ENOMEM, "apply");
	for (size_t i = 0; i < a->count; i++) {
		if (a->done[i])
			continue;
		if (a->stands[i].has_stray && mode != MODE_CHECK)
			give_stray(a, i);
		if (a->stands[i].standing != CLAIM_STANDING_AT)
			refuse_claim(a, i);
		else if (mode == MODE_CHECK)
			check_claim(a, i);
		else
			take_group(a, i);
	}
	return 0;
}

static bool is_off(struct host *h)
{
	char text[4096], *save = NULL;

	if (host_read_text(h, "/proc/cmdline", text, sizeof(text)) < 0)
		return false;
	for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
		if (strcmp(w, OFF_WORD) == 0)
			return true;
	return false;
}

enum { BOOT = 1, CHECK, TIMEOUT };

static int apply_parse(
	const struct verb *v, int argc, char **argv, enum mode *mode, struct bind_env *env)
{
	static const struct option takes[] = {
		{"boot", no_argument, NULL, BOOT},
		{"check", no_argument, NULL, CHECK},
		{"timeout", required_argument, NULL, TIMEOUT},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	int c = OPTION_END, r = 0, timeout_ms = 0;

	while (r == 0 && (c = option_next(&o)) > 0) {
		if (c == TIMEOUT) {
			r = targets_timeout(env, v, optarg);
			timeout_ms = env->timeout_ms;
		} else if (*mode != MODE_NOW) {
			return option_wrong(v, "--boot and --check cannot be combined");
		} else {
			*mode = c == BOOT ? MODE_BOOT : MODE_CHECK;
		}
	}
	if (r)
		return r;
	if (c != OPTION_END)
		return c;
	if (*mode == MODE_BOOT && !timeout_ms)
		env->timeout_ms = BOOT_TIMEOUT_MS;
	return optind < argc ? option_wrong(v, "unexpected operand '%s'", argv[optind]) : 0;
}

static int apply_run(const struct verb *v, int argc, char **argv)
{
	struct application a = {.env = bind_env_live()};
	enum mode mode = MODE_NOW;
	struct err e = {0};

	int r = apply_parse(v, argc, argv, &mode, &a.env);
	if (r)
		return r < 0 ? option_leave(r) : r;
	if (mode == MODE_BOOT && is_off(a.env.host)) {
		report_note("claims are disabled by the kernel argument " OFF_WORD);
		return LEAVE_OK;
	}
	change_begin();
	r = apply_claims(&a, mode, &e);
	if (r < 0)
		apply_fail(&a, LEAVE_FAILED, &e);
	free(a.claims);
	free(a.stands);
	free(a.done);
	return a.leave;
}

const struct verb verb_apply = {
	.name = "apply",
	.summary = "bind claimed devices now, or check that they are bound",
	.help = "apply [OPTION…]\n"
		"\n"
		"Binds every claimed device that is at its place and writes the udev rule again.\n"
		"Refuses, with the reason, a claim whose device has moved or was replaced.\n"
		"\n"
		"  --boot             as usher-apply.service does: write nothing to /etc, and do\n"
		"                     nothing under the kernel argument usher=off\n"
		"  --check            only compare: exit status 1 if a claimed device is not\n"
		"                     bound, 3 if a claim matches no device\n"
		"  --timeout SECONDS  give up on a kernel write after this time (default: 30; 10\n"
		"                     with --boot)\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher apply --check\n",
	.run = apply_run,
};
