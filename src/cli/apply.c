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
#include "vfs/plan.h"
#include "view/plan.h"
#include "view/release.h"
#include "view/vfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BOOT_TIMEOUT_MS 10000 /* for one write, because the boot waits */
#define DRIVER_PATIENCE_MS 10000 /* for the driver that makes virtual functions */
#define DRIVER_NAP_MS 100
#define OFF_WORD "usher=off"

struct application {
	struct bind_env env;
	bool dry_run;
	struct claim *claims;
	struct claim_judgement *stands;
	size_t count;
	bool *done; /* one for each claim */
	int waited_ms; /* for drivers, all devices together */
	int leave;
};

enum mode { MODE_NOW, MODE_BOOT, MODE_CHECK };

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
		err_hint(&e, "usher unclaim %s, then usher claim %s%s", a->claims[i].name,
			pci_address_format(s->device.address, address),
			a->claims[i].vfs ? " --vfs N" : "");
	else if (s->standing == CLAIM_STANDING_VOID)
		err_hint(&e, "correct " CLAIMS_DIR "/%s.claim", a->claims[i].name);
	else
		err_hint(&e, "if the device was removed: usher unclaim %s", a->claims[i].name);
	apply_fail(a, LEAVE_REFUSED, &e);
}

/* An unclaimed device of the same model is in the claimed place: return it to its driver. */
static void give_stray(struct application *a, size_t i)
{
	if (a->dry_run)
		return;
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
		if (a->claims[i].vfs || !same_wish(&a->claims[i], &a->claims[first]))
			continue; /* gets a request of its own */
		targets[n++] = (struct bind_target){d->address, true, d->vendor, d->device};
		a->done[i] = true;
	}
	return n;
}

/* Return: 0, -EPERM: @ret says why it is refused, -errno. */
static int plan_or_take(
	struct application *a, const struct bind_request *q, struct bind_plan *ret, struct err *e)
{
	if (!a->dry_run)
		return bind_take(&a->env, q, ret, e);
	int r = bind_plan(&a->env, q, ret, e);
	return r == 0 && ret->refusals ? -EPERM : r;
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
		r = plan_or_take(a, &q, &plan, &e);
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

/* The kernel loads the device's driver while this runs, and without it makes no functions. */
static void await_driver(struct application *a, struct pci_address address)
{
	const struct timespec nap = {.tv_nsec = DRIVER_NAP_MS * 1000000};
	struct pci_device d = {0};

	for (; a->waited_ms < DRIVER_PATIENCE_MS; a->waited_ms += DRIVER_NAP_MS) {
		if (pci_device_peek(a->env.host, address, &d, NULL) < 0 || d.driver[0])
			return;
		(void)nanosleep(&nap, NULL);
	}
}

/* A function that somebody has given to a driver of the host. Return: whether there is one. */
static bool find_hosted(struct application *a, const struct vfs_plan *p, struct err *e)
{
	char address[PCI_ADDRESS_TEXT], parent[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < p->function_count; i++) {
		const struct pci_device *d = &p->functions[i];
		if (!d->driver[0] || bind_on_vfio(a->env.host, d))
			continue;
		pci_address_format(p->device.address, parent);
		err_say(e, -EINVAL, "%s: virtual function of %s: is bound to %s",
			pci_address_format(d->address, address), parent, d->driver);
		err_hint(e, "usher vfs %s 0, then usher apply", parent);
		return true;
	}
	return false;
}

static void make_functions(struct application *a, size_t i, enum mode mode)
{
	const struct pci_device *d = &a->stands[i].device;
	const struct vfs_request q = {{d->address, true, d->vendor, d->device}, a->claims[i].vfs};
	struct vfs_plan plan = VFS_PLAN_NONE;
	struct err e = {0};

	if (mode == MODE_BOOT)
		await_driver(a, d->address);
	int r = vfs_set(&a->env, &q, &plan, &e);
	if (r == 0 || plan.says.refusals)
		report_problems(&plan.says);
	if (r == 0) {
		vfs_text(&plan);
		if (find_hosted(a, &plan, &e))
			report_note("%s", e.msg);
	} else if (!plan.says.refusals) {
		apply_fail(a, LEAVE_FAILED, &e);
	} else if (a->leave == LEAVE_OK) {
		a->leave = LEAVE_REFUSED;
	}
	vfs_plan_fini(&plan);
}

/* Reports whether a device has its claimed functions, and no driver of the host has one. */
static void check_functions(struct application *a, size_t i)
{
	const struct claim *c = &a->claims[i];
	const struct vfs_request q = {{.address = a->stands[i].device.address}, VFS_AS_IT_IS};
	struct vfs_plan plan = VFS_PLAN_NONE;
	char address[PCI_ADDRESS_TEXT];
	struct err e = {0};

	pci_address_format(q.function.address, address);
	int r = vfs_plan(&a->env, &q, &plan, &e);
	if (r == 0 && plan.now != c->vfs) {
		err_say(&e, -EINVAL, "%s: has %u virtual functions, not %u as claimed", address,
			plan.now, c->vfs);
		err_hint(&e, "usher apply");
	} else if (r == 0 && !find_hosted(a, &plan, &e)) {
		(void)printf("%s: has %u virtual functions, as claimed\n", address, plan.now);
	}
	if (e.code)
		apply_fail(a, LEAVE_FAILED, &e);
	vfs_plan_fini(&plan);
}

/* A claim whose device is in its place. */
static void apply_claim(struct application *a, size_t i, enum mode mode)
{
	bool checks = mode == MODE_CHECK;

	if (a->claims[i].vfs && checks)
		check_functions(a, i);
	else if (a->claims[i].vfs)
		make_functions(a, i, mode);
	else if (checks)
		check_claim(a, i);
	else
		take_group(a, i);
}

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
	if (mode == MODE_NOW && !a->dry_run)
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
		else
			apply_claim(a, i, mode);
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

struct words {
	const struct verb *verb;
	enum mode mode;
	bool dry_run;
	const char *file; /* of --host */
	const char *timeout;
};

enum { BOOT = 1, CHECK, TIMEOUT, DRY_RUN, HOST };

static int apply_option(void *arg, int c, const char *text)
{
	struct words *w = arg;

	if (c == TIMEOUT)
		w->timeout = text;
	else if (c == DRY_RUN)
		w->dry_run = true;
	else if (c == HOST)
		w->file = text;
	else if (w->mode != MODE_NOW)
		return option_wrong(w->verb, "--boot and --check cannot be combined");
	else
		w->mode = c == BOOT ? MODE_BOOT : MODE_CHECK;
	return 0;
}

static int apply_parse(const struct verb *v, int argc, char **argv, struct words *w)
{
	static const struct option takes[] = {
		{"boot", no_argument, NULL, BOOT},
		{"check", no_argument, NULL, CHECK},
		{"timeout", required_argument, NULL, TIMEOUT},
		{"dry-run", no_argument, NULL, DRY_RUN},
		{"host", required_argument, NULL, HOST},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};

	int r = options_take(&o, apply_option, w);
	if (r)
		return r;
	if (w->file && !w->dry_run && w->mode != MODE_CHECK)
		return option_wrong(
			v, "--host needs --dry-run or --check: a snapshot cannot be changed");
	return optind < argc ? option_wrong(v, "unexpected operand '%s'", argv[optind]) : 0;
}

/* The environment for these words. Return: 0, or an exit status with the reason told. */
static int apply_open(const struct words *w, struct bind_env *env)
{
	int r = 0;

	if (w->timeout)
		r = targets_timeout(env, w->verb, w->timeout);
	else if (w->mode == MODE_BOOT)
		env->timeout_ms = BOOT_TIMEOUT_MS;
	return r ? r : option_host(w->file, &env->host);
}

static int apply_run(const struct verb *v, int argc, char **argv)
{
	struct application a = {.env = bind_env_live()};
	struct words w = {.verb = v, .mode = MODE_NOW};
	struct err e = {0};

	int r = apply_parse(v, argc, argv, &w);
	if (r == 0)
		r = apply_open(&w, &a.env);
	if (r)
		return option_leave(r);
	a.dry_run = w.dry_run;
	if (w.mode == MODE_BOOT && is_off(a.env.host)) {
		report_note("claims are disabled by the kernel argument " OFF_WORD);
	} else {
		change_begin();
		r = apply_claims(&a, w.mode, &e);
		if (r < 0)
			apply_fail(&a, LEAVE_FAILED, &e);
	}
	free(a.claims);
	free(a.stands);
	free(a.done);
	host_close(a.env.host);
	return a.leave;
}

const struct verb verb_apply = {
	.name = "apply",
	.summary = "bind claimed devices now, or check that they are bound",
	.help = "apply [OPTION…]\n"
		"\n"
		"Binds every claimed device that is at its place and writes the udev rule again.\n"
		"Makes the virtual functions of 'usher claim --vfs'. Refuses, with the reason, a\n"
		"claim whose device has moved or was replaced.\n"
		"\n"
		"      --boot             as usher-apply.service does: write nothing to /etc, and\n"
		"                         do nothing under the kernel argument usher=off\n"
		"      --check            only compare: exit status 1 if a claimed device is not\n"
		"                         bound, 3 if a claim matches no device\n"
		"      --timeout SECONDS  give up on a kernel write after this time (default: 30;\n"
		"                         10 with --boot)\n"
		"      --dry-run          print what would be bound, and change nothing\n"
		"      --host FILE        plan on a snapshot (with --dry-run or --check)\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher apply --check\n",
	.run = apply_run,
};
