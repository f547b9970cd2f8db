/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "bind/gate.h"
#include "bind/owner.h"
#include "claim/claim.h"
#include "claim/rule.h"
#include "cli/change.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/target.h"
#include "host/host.h"
#include "pci/vfs.h"
#include "vfs/plan.h"
#include "view/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct arguments {
	struct targets targets;
	struct host *host;
	const char *driver;
	struct bind_access access;
	unsigned vfs; /* 0: the devices themselves are claimed */
};

enum { DRIVER = 1, VFS };

static int take_vfs(struct arguments *a, const char *text)
{
	uint64_t n;

	if (num_parse(text, 10, CLAIM_VFS_MAX, &n) < 0 || !n)
		return option_wrong(a->targets.verb,
			"--vfs: '%s' is not a number of virtual functions, 1 or more", text);
	a->vfs = (unsigned)n;
	return 0;
}

static int claim_option(void *arg, int c, const char *text)
{
	struct arguments *a = arg;

	if (c == VFS)
		return take_vfs(a, text);
	if (c != DRIVER)
		return targets_option(&a->targets, c, text);
	a->driver = text;
	return 0;
}

static int claim_parse_words(const struct verb *v, int argc, char **argv, struct arguments *a)
{
	static const struct option takes[] = {
		{"id", required_argument, NULL, TARGETS_ID},
		{"driver", required_argument, NULL, DRIVER},
		{"vfs", required_argument, NULL, VFS},
		{"allow", required_argument, NULL, TARGETS_ALLOW},
		{"user", required_argument, NULL, TARGETS_USER},
		{"user-group", required_argument, NULL, TARGETS_USER_GROUP},
		{"dry-run", no_argument, NULL, TARGETS_DRY_RUN},
		{"host", required_argument, NULL, TARGETS_HOST},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	const struct targets *t = &a->targets;

	int r = options_take(&o, claim_option, a);
	if (r)
		return r;
	if (a->vfs && (a->driver || t->allow_count || t->user || t->user_group))
		return option_wrong(v,
			"--vfs takes no --driver, --allow, --user and --user-group: the virtual "
			"functions are left without a driver");
	if (a->driver && !bind_name_is_vfio(a->driver))
		return option_wrong(v, "--driver: '%s' is not a VFIO driver", a->driver);
	/* A claim's file has one word per line. */
	if ((t->user && !bind_name_ok(t->user)) || (t->user_group && !bind_name_ok(t->user_group)))
		return option_wrong(v,
			"--user and --user-group: a claim cannot hold this name: use its number");
	r = targets_access(t, &a->access);
	return r ? r : targets_open(&a->targets, &a->host, argc - optind, argv + optind, 1);
}

/* Checks of the present state: leases and open files do not survive a reboot. */
static bool is_passing(const struct bind_problem *b)
{
	static const char *const checks[] = {"lease", "journal", "vfio", "fd", "no-reset"};

	for (size_t i = 0; i < COUNT(checks); i++)
		if (strcmp(b->check, checks[i]) == 0)
			return true;
	return false;
}

static bool is_lasting(const struct bind_problem *b)
{
	return !is_passing(b);
}

/* What prevents virtual functions at each boot; those of now and their users are gone by then. */
static bool is_about_making(const struct bind_problem *b)
{
	static const char *const checks[] = {
		"id", "bridge", "iommu", "device", "sriov", "count", "driver"};

	for (size_t i = 0; i < COUNT(checks); i++)
		if (strcmp(b->check, checks[i]) == 0)
			return true;
	return false;
}

static void drop_problems(struct bind_plan *p, bool (*keep)(const struct bind_problem *b))
{
	size_t n = 0;

	p->refusals = 0;
	for (size_t i = 0; i < p->problem_count; i++) {
		if (!keep(&p->problems[i]))
			continue;
		p->refusals += p->problems[i].refuses;
		p->problems[n++] = p->problems[i];
	}
	p->problem_count = n;
}

/* Unclaimed members are bound along with a claimed one, but their driver runs at boot before. */
static void tell_siblings(const struct bind_plan *p)
{
	char address[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < p->group_count; i++) {
		for (size_t k = 0; k < p->groups[i].count; k++) {
			const struct bind_member *m = &p->groups[i].members[k];
			if (m->is_target || m->act == BIND_ACT_STAYS)
				continue;
			report_note("%s: is bound along with its group %d; "
				    "claim it as well to keep its driver from it at boot",
				pci_address_format(m->device.address, address),
				p->groups[i].number);
		}
	}
}

/* A host does not boot without a device that it needs, so a device in use cannot be claimed. */
static int check_use(const struct arguments *a)
{
	struct bind_env env = bind_env_live();
	const struct bind_request q = {
		.targets = a->targets.list,
		.target_count = a->targets.count,
		.driver = a->driver,
		.allow = a->targets.allow,
		.allow_count = a->targets.allow_count,
		.access = a->access,
	};
	struct bind_plan plan = BIND_PLAN_NONE;
	struct err e = {0};

	env.host = a->host;
	if (bind_plan(&env, &q, &plan, &e) < 0) {
		report(&e);
		return LEAVE_FAILED;
	}
	drop_problems(&plan, is_lasting);
	report_problems(&plan);
	int leave = plan.refusals ? LEAVE_REFUSED : LEAVE_OK;
	if (leave == LEAVE_OK)
		tell_siblings(&plan);
	bind_plan_fini(&plan);
	return leave;
}

static int refuse_vfio(const struct pci_device *d)
{
	char address[PCI_ADDRESS_TEXT];
	struct err e = {0};

	err_say(&e, -EPERM, "%s: is bound to %s: its own driver makes the virtual functions",
		pci_address_format(d->address, address), d->driver);
	err_hint(&e, "usher release %s", address);
	report(&e);
	return LEAVE_REFUSED;
}

/* Whether each device can have as many virtual functions. */
static int check_functions(const struct arguments *a)
{
	const struct bind_env env = bind_env_live();
	int leave = LEAVE_OK;

	for (size_t i = 0; leave == LEAVE_OK && i < a->targets.count; i++) {
		const struct vfs_request q = {a->targets.list[i], a->vfs};
		struct vfs_plan plan = VFS_PLAN_NONE;
		struct err e = {0};

		if (vfs_plan(&env, &q, &plan, &e) < 0) {
			report(&e);
			return LEAVE_FAILED;
		}
		drop_problems(&plan.says, is_about_making);
		report_problems(&plan.says);
		leave = plan.says.refusals ? LEAVE_REFUSED : LEAVE_OK;
		if (leave == LEAVE_OK && bind_on_vfio(env.host, &plan.device))
			leave = refuse_vfio(&plan.device);
		vfs_plan_fini(&plan);
	}
	return leave;
}

/* Reports what must be set up once on this host. @has_rule: udev has to know of the claim. */
static void tell_boot(bool has_rule)
{
	static const struct {
		const char *sign, *what;
	} makers[] = {
		{"/usr/sbin/update-initramfs", "update-initramfs -u"},
		{"/usr/bin/dracut", "dracut --force"},
		{"/usr/bin/mkinitcpio", "mkinitcpio -P"},
	};

	for (size_t i = 0; has_rule && i < COUNT(makers); i++)
		if (access(makers[i].sign, X_OK) == 0)
			report_note("the initramfs has its own copy of the udev rules: run '%s'",
				makers[i].what);
	if (access("/etc/systemd/system/multi-user.target.wants/usher-apply.service", F_OK) < 0)
		report_note("to %s at each boot: systemctl enable usher-apply",
			has_rule ? "bind claimed devices" : "make claimed virtual functions");
}

static int claim_device(const struct arguments *a, struct pci_address address, struct err *e)
{
	const struct targets *t = &a->targets;
	char text[PCI_ADDRESS_TEXT];
	struct claim c;

	int r = claim_make(a->host, address, &c, e);
	if (r < 0)
		return r;
	c.vfs = a->vfs;
	(void)snprintf(c.driver, sizeof(c.driver), "%s", a->driver ? a->driver : "");
	(void)snprintf(c.user, sizeof(c.user), "%s", t->user ? t->user : "");
	(void)snprintf(
		c.user_group, sizeof(c.user_group), "%s", t->user_group ? t->user_group : "");
	r = claim_check_place(host_live(), CLAIMS_DIR, &c, e);
	if (r < 0)
		return r;
	if (t->dry_run) {
		cleanup_free char *file = NULL;
		if (claim_format(&c, &file) < 0)
			return err_set(e, -ENOMEM, "claim");
		(void)fputs(file, stdout);
		return 0;
	}
	r = claim_write(CLAIMS_DIR, &c, e);
	pci_address_format(address, text);
	if (r == 0 && c.vfs)
		(void)printf(
			"%s: claimed with %u virtual function%s as %s, from the next boot on\n",
			text, c.vfs, c.vfs == 1 ? "" : "s", c.name);
	else if (r == 0)
		(void)printf("%s: claimed as %s, from the next boot on\n", text, c.name);
	return r;
}

static int claim_devices(const struct arguments *a)
{
	struct err e = {0};
	int r = 0;

	change_begin();
	for (size_t i = 0; r == 0 && i < a->targets.count; i++)
		r = claim_device(a, a->targets.list[i].address, &e);
	if (r == 0 && !a->targets.dry_run)
		r = claim_rule_write(a->host, CLAIMS_DIR, CLAIM_RULE_PATH, &e);
	if (r < 0) {
		report(&e);
		return r == -EPERM ? LEAVE_REFUSED : LEAVE_FAILED;
	}
	if (!a->targets.dry_run)
		tell_boot(!a->vfs);
	return LEAVE_OK;
}

static int run_claim(const struct verb *v, int argc, char **argv)
{
	struct arguments a = {.targets.verb = v};

	int r = claim_parse_words(v, argc, argv, &a);
	if (r)
		return option_leave(r);
	r = a.vfs ? check_functions(&a) : check_use(&a);
	if (r == 0)
		r = claim_devices(&a);
	host_close(a.host);
	return r;
}

const struct verb verb_claim = {
	.name = "claim",
	.summary = "reserve devices for VFIO at every boot",
	.help = "claim DEVICE… [OPTION…]\n"
		"\n"
		"From the next boot on, a udev rule keeps other drivers from the device and\n"
		"usher-apply.service binds it to VFIO. Each claim is a file in\n"
		"/etc/usher/claims.d. It names the device by its place below the root bus, its\n"
		"ids and its serial number, so another device in that place is not bound. Refuses\n"
		"a device that is in use. 'usher apply' binds it now. The kernel argument\n"
		"usher=off disables all claims for one boot.\n"
		"\n"
		"With --vfs, the device stays with its driver instead, and at each boot\n"
		"usher-apply.service makes N virtual functions (SR-IOV), which no driver of the\n"
		"host probes: lend them by 'usher run' or 'usher bind'.\n"
		"\n"
		"      --id VVVV:DDDD     refuse a device with another id; once for each device\n"
		"      --driver NAME      bind to this VFIO driver (default: the best match)\n"
		"      --vfs N            make N virtual functions of each device, as above\n"
		"      --allow CHECK      skip one check: its name is in brackets after a\n"
		"                         refusal, and 'usher check --list' lists all; may be\n"
		"                         repeated\n"
		"      --user NAME        give the /dev/vfio nodes to this user\n"
		"      --user-group NAME  let this group open them as well\n"
		"      --dry-run          print the claim, and write nothing\n"
		"      --host FILE        make the claim on a snapshot of a host (with --dry-run)\n"
		"\n"
		"Examples: claim a graphics card with its audio function; have four virtual\n"
		"functions of a network card at each boot.\n"
		"\n"
		"  usher claim 0000:03:00.0 0000:03:00.1 --id 10de:2484 --id 10de:228b\n"
		"  usher claim 0000:05:00.0 --vfs 4\n",
	.run = run_claim,
};
