/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "bind/owner.h"
#include "claim/claim.h"
#include "claim/rule.h"
#include "cli/change.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/target.h"
#include "host/host.h"
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
};

enum { DRIVER = 1 };

static int claim_option(void *arg, int c, const char *text)
{
	struct arguments *a = arg;

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

static void drop_passing(struct bind_plan *p)
{
	size_t n = 0;

	p->refusals = 0;
	for (size_t i = 0; i < p->problem_count; i++) {
		if (is_passing(&p->problems[i]))
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
	drop_passing(&plan);
	report_problems(&plan);
	int leave = plan.refusals ? LEAVE_REFUSED : LEAVE_OK;
	if (leave == LEAVE_OK)
		tell_siblings(&plan);
	bind_plan_fini(&plan);
	return leave;
}

/* Reports what must be set up once on this host. */
static void tell_boot(void)
{
	static const struct {
		const char *sign, *what;
	} makers[] = {
		{"/usr/sbin/update-initramfs", "update-initramfs -u"},
		{"/usr/bin/dracut", "dracut --force"},
		{"/usr/bin/mkinitcpio", "mkinitcpio -P"},
	};

	for (size_t i = 0; i < COUNT(makers); i++)
		if (access(makers[i].sign, X_OK) == 0)
			report_note("the initramfs has its own copy of the udev rules: run '%s'",
				makers[i].what);
	if (access("/etc/systemd/system/multi-user.target.wants/usher-apply.service", F_OK) < 0)
		report_note("to bind claimed devices at each boot: systemctl enable usher-apply");
}

static int claim_device(const struct arguments *a, struct pci_address address, struct err *e)
{
	const struct targets *t = &a->targets;
	char text[PCI_ADDRESS_TEXT];
	struct claim c;

	int r = claim_make(a->host, address, &c, e);
	if (r < 0)
		return r;
	(void)snprintf(c.driver, sizeof(c.driver), "%s", a->driver ? a->driver : "");
	(void)snprintf(c.user, sizeof(c.user), "%s", t->user ? t->user : "");
	(void)snprintf(
		c.user_group, sizeof(c.user_group), "%s", t->user_group ? t->user_group : "");
	if (t->dry_run) {
		cleanup_free char *file = NULL;
		if (claim_format(&c, &file) < 0)
			return err_set(e, -ENOMEM, "claim");
		(void)fputs(file, stdout);
		return 0;
	}
	r = claim_write(CLAIMS_DIR, &c, e);
	if (r == 0)
		(void)printf("%s: claimed as %s, from the next boot on\n",
			pci_address_format(address, text), c.name);
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
		tell_boot();
	return LEAVE_OK;
}

static int run_claim(const struct verb *v, int argc, char **argv)
{
	struct arguments a = {.targets.verb = v};

	int r = claim_parse_words(v, argc, argv, &a);
	if (r)
		return option_leave(r);
	r = check_use(&a);
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
		"      --id VVVV:DDDD     refuse a device with another id; once for each device\n"
		"      --driver NAME      bind to this VFIO driver (default: the best match)\n"
		"      --allow CHECK      skip one check: its name is in brackets after a\n"
		"                         refusal, and 'usher check --list' lists all; may be\n"
		"                         repeated\n"
		"      --user NAME        give the /dev/vfio nodes to this user\n"
		"      --user-group NAME  let this group open them as well\n"
		"      --dry-run          print the claim, and write nothing\n"
		"      --host FILE        make the claim on a snapshot of a host (with --dry-run)\n"
		"\n"
		"Example: claim a graphics card with its audio function.\n"
		"\n"
		"  usher claim 0000:03:00.0 0000:03:00.1 --id 10de:2484 --id 10de:228b\n",
	.run = run_claim,
};

/* True if @word is the claim's name, or the current or claimed address of its device. */
static bool is_meant(const struct claim *c, const struct claim_judgement *s, const char *word)
{
	struct pci_address a;

	if (strcmp(c->name, word) == 0)
		return true;
	if (pci_address_parse(word, &a) < 0)
		return false;
	return s->standing == CLAIM_STANDING_AT ? pci_address_equal(a, s->device.address)
						: !c->bad[0] && pci_address_equal(a, c->address);
}

static int unclaim_words(const char *word, const struct claim *claims,
	const struct claim_judgement *stands, size_t count, struct err *e)
{
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < count; i++) {
		if (!is_meant(&claims[i], &stands[i], word))
			continue;
		r = claim_remove(CLAIMS_DIR, &claims[i], e);
		if (r == 0)
			(void)printf("%s: claim %s is gone, from the next boot on\n", word,
				claims[i].name);
		if (r == -ENOENT)
			return r;
	}
	if (r == -ENOENT) {
		err_say(e, r, "%s: is not claimed", word);
		err_hint(e, "'usher claims' lists what is");
	}
	return r;
}

static int run_unclaim(const struct verb *v, int argc, char **argv)
{
	cleanup_free struct claim *claims = NULL;
	cleanup_free struct claim_judgement *stands = NULL;
	struct options o = {.verb = v, .argc = argc, .argv = argv};
	struct err e = {0};
	size_t count = 0;

	int r = option_next(&o);
	if (r != OPTION_END)
		return option_leave(r);
	if (optind == argc)
		return option_wrong(v, "no device given");
	r = claim_list(host_live(), CLAIMS_DIR, &claims, &count, &e);
	if (r == 0)
		r = claim_judge(host_live(), claims, count, &stands, &e);
	change_begin();
	for (int i = optind; r == 0 && i < argc; i++)
		r = unclaim_words(argv[i], claims, stands, count, &e);
	if (r == 0)
		r = claim_rule_write(host_live(), CLAIMS_DIR, CLAIM_RULE_PATH, &e);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

const struct verb verb_unclaim = {
	.name = "unclaim",
	.summary = "remove claims",
	.help = "unclaim DEVICE|NAME…\n"
		"\n"
		"Removes claims, which are named by the address of their device or as\n"
		"'usher claims' prints them. The original driver gets the device at the next\n"
		"boot; until then the device stays where it is. 'usher release' returns it now.\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher unclaim 0000:03:00.0\n",
	.run = run_unclaim,
};
