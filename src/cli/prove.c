/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "bind/bind.h"
#include "bind/reset.h"
#include "cli/change.h"
#include "cli/operand.h"
#include "cli/option.h"
#include "cli/record.h"
#include "cli/report.h"
#include "cli/target.h"
#include "cli/trial.h"
#include "host/host.h"
#include "pci/reset.h"
#include "view/names.h"
#include "view/proof.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * How it works: a trial is a loan. usher plans, binds, tries each reset and interrupt, and releases
 * the device through the journal of src/bind, with this process as the owner. If the process is
 * killed, `usher restore` restores driver, override and reset methods.
 */
struct proving {
	struct bind_env env;
	struct bind_request request;
	struct bind_target target;
	struct proof proof;
	bool json;
	bool numeric;
	const char *host;
	const char *snapshot;
	char *archive; /* the host before the trial, for @snapshot */
	size_t archive_len;
};

/* A trial leaves no data in the device, so it may be returned without a reset. */
static const char *const allowed[] = {"no-reset"};

static int prove_gate(struct proving *p, struct err *e)
{
	uint64_t since = card_clock();

	int r = pci_device_read(p->env.host, p->target.address, &p->proof.was, e);
	if (r == 0)
		r = bind_plan(&p->env, &p->request, &p->proof.plan, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->proof.plan.problem_count; i++) {
		const struct bind_problem *b = &p->proof.plan.problems[i];

		if (b->refuses)
			card_add(&p->proof.card, "gate", CARD_FAILED, 0, "%.63s: %.150s [%s]",
				b->object, b->text, b->check);
	}
	if (!p->proof.plan.refusals)
		card_add(&p->proof.card, "gate", CARD_PASSED, since,
			"not in use, and neither is its group");
	return 0;
}

static int prove_take(struct proving *p, struct err *e)
{
	uint64_t since = card_clock();

	bind_plan_fini(&p->proof.plan);
	int r = bind_take(&p->env, &p->request, &p->proof.plan, e);
	if (r < 0) {
		card_add(&p->proof.card, "bind", CARD_FAILED, since, "%s", e->msg);
		return r;
	}
	for (size_t i = 0; i < p->proof.plan.group_count; i++) {
		const struct bind_group *g = &p->proof.plan.groups[i];

		for (size_t k = 0; k < g->count; k++)
			if (g->members[k].is_target)
				card_add(&p->proof.card, "bind", CARD_PASSED, since,
					"from %s to %s, with all members of group %d (%zu)",
					p->proof.was.driver[0] ? p->proof.was.driver : "no driver",
					g->members[k].driver, g->number, g->count);
	}
	return 0;
}

static void try_methods(struct proving *p, struct trial *t)
{
	const char *at = p->proof.was.reset_method;
	char method[PCI_NAME_MAX];
	struct err e = {0};

	while (pci_reset_next(&at, method, sizeof(method))) {
		int r = bind_reset_method(&p->env, p->proof.was.group, &p->request.owner,
			p->target.address, method, &e);
		if (r == 0)
			(void)trial_reset(t, method);
		else
			card_add(&p->proof.card, "reset", CARD_FAILED, 0, "%s: %s", method, e.msg);
	}
	/*
	 * A group that was bound manually stays bound, so the release does not restore the methods.
	 */
	if (p->proof.was.reset_method[0] &&
		bind_reset_method(&p->env, p->proof.was.group, &p->request.owner, p->target.address,
			p->proof.was.reset_method, &e) < 0)
		card_add(&p->proof.card, "reset", CARD_FAILED, 0, "%s", e.msg);
	/* Without a method of its own, only a bus reset is left. */
	if (!p->proof.was.reset_method[0])
		(void)trial_hot_reset(t);
}

static void try_device(struct proving *p)
{
	struct trial t;
	struct err e = {0};

	if (trial_open(p->env.host, p->proof.was.group, p->target.address, &p->proof.card, &t, &e) <
		0)
		return;
	trial_look(&t);
	try_methods(p, &t);
	trial_interrupts(&t);
	trial_close(&t);
}

/* The first attribute that differs from the original; NULL if none does. */
static const char *device_difference(const struct pci_device *was, const struct pci_device *now)
{
	if (strcmp(was->driver, now->driver) != 0)
		return "driver";
	if (strcmp(was->driver_override, now->driver_override) != 0)
		return "driver_override";
	return strcmp(was->reset_method, now->reset_method) != 0 ? "reset_method" : NULL;
}

static void give_back(struct proving *p)
{
	const struct bind_release_request g = {
		.group = p->proof.was.group,
		.how = BIND_RETURN_DRIVER,
		.owner = p->request.owner,
		.allow = allowed,
		.allow_count = 1,
	};
	struct bind_report report = BIND_REPORT_NONE;
	uint64_t since = card_clock();
	struct pci_device now = {0};
	struct err e = {0};

	int r = bind_release(&p->env, &g, &report, &e);
	bind_report_fini(&report);
	if (r == 0)
		r = pci_device_read(p->env.host, p->target.address, &now, &e);
	const char *other = r < 0 ? NULL : device_difference(&p->proof.was, &now);
	if (r < 0)
		card_add(&p->proof.card, "give back", CARD_FAILED, since, "%s", e.msg);
	else if (other)
		card_add(&p->proof.card, "give back", CARD_FAILED, since,
			"its %s differs from the original", other);
	else
		card_add(&p->proof.card, "give back", CARD_PASSED, since,
			"to %s, original state restored", now.driver[0] ? now.driver : "no driver");
}

static int record_before(struct proving *p, struct err *e)
{
	if (!p->snapshot)
		return 0;
	return record_text(p->env.host, RECORD_REDACTED, &p->archive, &p->archive_len, e);
}

/* Return: -errno if the trial could not begin; else the card has the result. */
static int prove_device(struct proving *p, struct err *e)
{
	int r = record_before(p, e);

	if (r == 0)
		r = prove_gate(p, e);
	if (r < 0 || p->proof.plan.refusals || p->proof.dry_run)
		return r;
	change_begin();
	r = bind_owner_self(&p->env, "prove", &p->request.owner);
	if (r < 0)
		return err_set(e, r, "record usher as the owner of the device");
	if (prove_take(p, e) < 0)
		return 0;
	try_device(p);
	give_back(p);
	return 0;
}

static void report_refusals(const struct proving *p)
{
	struct err e = {0};

	for (size_t i = 0; i < p->proof.plan.problem_count; i++) {
		const struct bind_problem *b = &p->proof.plan.problems[i];

		if (!b->refuses)
			continue;
		(void)err_say(&e, -EPERM, "%s: %s [%s]", b->object, b->text, b->check);
		err_hint(&e, "%s",
			b->liftable && !b->unsure
				? "stop its users first: a trial never touches a device that "
				  "is in use"
				: b->fix);
		report(&e);
	}
}

static int print_proof(struct proving *p, struct err *e)
{
	struct proof *f = &p->proof;

	if (p->json) {
		if (host_read_text(p->env.host, "/proc/sys/kernel/osrelease", f->kernel,
			    sizeof(f->kernel)) <= 0)
			f->kernel[0] = '\0';
		return proof_json(f, e);
	}
	struct names *n = p->numeric ? NULL : names_new();
	proof_text(f, n);
	names_free(n);
	report_refusals(p);
	return 0;
}

/* The card is written into the archive as comment lines, which a reader skips. */
static int write_archive(const struct proving *p, struct err *e)
{
	char address[PCI_ADDRESS_TEXT], *remark = NULL;
	size_t len = 0;

	if (!p->snapshot || p->proof.dry_run)
		return 0;
	FILE *f = open_memstream(&remark, &len);
	if (!f)
		return err_set(e, -ENOMEM, "format the report card");
	(void)fprintf(f, "# usher prove %s (%04x:%04x)\n",
		pci_address_format(p->proof.was.address, address), p->proof.was.vendor,
		p->proof.was.device);
	card_text(f, &p->proof.card, "# ");
	int r = fclose(f) ? err_set(e, -ENOMEM, "format the report card")
			  : record_put(p->snapshot, p->archive, remark, e);
	free(remark);
	return r;
}

static int prove_status(const struct proving *p, int r)
{
	if (r < 0)
		return LEAVE_FAILED;
	if (p->proof.plan.refusals)
		return LEAVE_REFUSED;
	return p->proof.dry_run || card_passed(&p->proof.card) ? LEAVE_OK : LEAVE_FAILED;
}

static int prove_and_print(struct proving *p)
{
	struct err e = {0};

	int r = prove_device(p, &e);
	if (r == 0) {
		r = print_proof(p, &e);
		if (r == 0)
			r = write_archive(p, &e);
	}
	if (r < 0)
		report(&e);
	int status = prove_status(p, r);
	bind_plan_fini(&p->proof.plan);
	free(p->archive);
	return status;
}

enum { JSON = 'j', NUMERIC = 'n', SNAPSHOT = 1, TIMEOUT, DRY_RUN, HOST };

static int prove_parse(const struct verb *v, int argc, char **argv, struct proving *p)
{
	static const struct option takes[] = {
		{"json", no_argument, NULL, JSON},
		{"numeric", no_argument, NULL, NUMERIC},
		{"snapshot", required_argument, NULL, SNAPSHOT},
		{"timeout", required_argument, NULL, TIMEOUT},
		{"dry-run", no_argument, NULL, DRY_RUN},
		{"host", required_argument, NULL, HOST},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes, .letters = "jn"};
	int c = OPTION_END, r = 0;

	while (r == 0 && (c = option_next(&o)) > 0) {
		p->numeric = p->numeric || c == NUMERIC;
		p->json = p->json || c == JSON;
		p->proof.dry_run = p->proof.dry_run || c == DRY_RUN;
		if (c == SNAPSHOT)
			p->snapshot = optarg;
		else if (c == HOST)
			p->host = optarg;
		else if (c == TIMEOUT)
			r = targets_timeout(&p->env, v, optarg);
	}
	if (r)
		return r;
	if (c != OPTION_END)
		return c;
	if (argc - optind != 1)
		return option_wrong(v, "exactly one DEVICE is needed");
	if (p->host && !p->proof.dry_run)
		return option_wrong(v, "--host needs --dry-run: a snapshot cannot be changed");
	return 0;
}

static int prove_on_host(const struct verb *v, const char *word, struct proving *p)
{
	int r = option_host(p->host, &p->env.host);
	if (r)
		return r;
	r = operand_one(v, p->env.host, word, &p->target.address);
	if (r == 0)
		r = prove_and_print(p);
	host_close(p->env.host);
	return r;
}

static int prove_run(const struct verb *v, int argc, char **argv)
{
	struct proving *p = calloc(1, sizeof(*p));
	int r = LEAVE_FAILED;

	if (!p)
		return r;
	p->env = bind_env_live();
	p->proof.plan = BIND_PLAN_NONE;
	p->request = (struct bind_request){
		.targets = &p->target,
		.target_count = 1,
		.allow = allowed,
		.allow_count = 1,
		.access = BIND_ACCESS_NONE,
	};
	r = prove_parse(v, argc, argv, p);
	r = r < 0 ? option_leave(r) : r ? r : prove_on_host(v, argv[optind], p);
	free(p);
	return r;
}

const struct verb verb_prove = {
	.name = "prove",
	.summary = "test whether a device survives bind, reset and return",
	.help = "prove DEVICE [OPTION…]\n"
		"\n"
		"Tries the whole life of a loan without a guest, and prints a report card. usher\n"
		"binds the device, with its IOMMU group, to VFIO, resets it by each method that\n"
		"the kernel offers, checks configuration space and BARs after each reset, has\n"
		"VFIO raise an interrupt of each kind, and returns everything to its original\n"
		"state. A device that is in use, or whose group is, is not touched. If the trial\n"
		"is killed, 'usher restore' returns the device.\n"
		"\n"
		"  -n, --numeric          show ids instead of names\n"
		"  -j, --json             print the card as a JSON document\n"
		"      --snapshot FILE    also write a snapshot of this host, with the card in it\n"
		"      --timeout SECONDS  give up on a kernel write after this time (default: 30)\n"
		"      --dry-run          only check whether the device may be bound\n"
		"      --host FILE        plan on a snapshot of a host (with --dry-run)\n"
		"\n"
		"Exit status: 0 every step passed, 1 a step failed, 2 wrong command line, 3\n"
		"refused.\n"
		"\n"
		"Example: does this graphics card survive its first guest?\n"
		"\n"
		"  usher prove 0000:03:00.0\n",
	.run = prove_run,
};
