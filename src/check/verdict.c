/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: a verdict never promises more than `usher bind` without --allow would do, because it
 * is made from the same plan.
 *
 * One plan (bind/plan.h) surveys the groups of all devices that the report is about, so the users
 * of the host are read once. Each refusing problem of a group either has a step that a person can
 * take (end a process, unmount a disk), or rules its group out. A group with one that rules it out
 * cannot be lent; one with steps only can be after these; without any it can be lent now.
 *
 * Devices without an IOMMU are in no plan: their own users decide whether they could be lent once
 * the IOMMU works. A group that is half on VFIO needs a step although the plan accepts it: until
 * `usher bind` takes the rest, VFIO refuses the group to every other program.
 */
#include "check/verdict.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/bind.h"
#include "bind/gate.h"
#include "check/hypervisor.h"
#include "pci/blank.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A way to get rid of the problem of a check; the object and the text of the problem follow. */
struct remedy {
	const char *check;
	const char *step;
};

static const struct remedy remedies[] = {
	{"fd", "end what has it open"},
	{"gpu", "log in by SSH, then use --allow=gpu"},
	{"block", "free its disk"},
	{"net", "free its interface"},
	{"input", "connect another keyboard"},
	{"sriov", "remove its virtual functions"},
	{"dma", "unload the module that uses it"},
	{"platform", "use --allow=platform"},
	{"journal", "run 'usher restore'"},
};

static const struct remedy *find_remedy(const char *check)
{
	for (size_t i = 0; i < COUNT(remedies); i++)
		if (strcmp(remedies[i].check, check) == 0)
			return &remedies[i];
	return NULL;
}

/* Without these the person who asks loses the host. */
static bool is_lifeline(const struct bind_problem *p)
{
	return strcmp(p->check, "net") == 0 &&
	       (strstr(p->text, "carries the default route") || strstr(p->text, "SSH session"));
}

static bool has_step(const struct bind_problem *p)
{
	bool refuses_for_now = strcmp(p->check, "sriov") == 0 || strcmp(p->check, "journal") == 0;

	return (p->liftable || refuses_for_now) && !is_lifeline(p) && find_remedy(p->check);
}

/* "dri/card0: open in Xorg (pid 1203, root)" as "end Xorg (pid 1203)". */
static bool describe_end(const struct bind_problem *p, char *buf, size_t size)
{
	static const char open[] = ": open in ";
	const char *user = strstr(p->text, open), *pid = user ? strstr(user, " (pid ") : NULL;

	if (!pid || !strpbrk(pid, ",)"))
		return false;
	user += strlen(open);
	(void)snprintf(buf, size, "end %.*s)", (int)(pid + strcspn(pid, ",)") - user), user);
	return true;
}

/* "nvme1n1: mounted at /srv" as "unmount /srv". */
static bool describe_unmount(const struct bind_problem *p, char *buf, size_t size)
{
	static const char mounted[] = ": mounted at ";
	const char *mount = strstr(p->text, mounted);

	if (!mount || strchr(mount, ','))
		return false;
	(void)snprintf(buf, size, "unmount %s", mount + strlen(mounted));
	return true;
}

/* A problem that refuses, and what it is about. */
struct refusal {
	const struct bind_problem *problem;
	int group;
	bool is_whole; /* the whole group, not one member */
	struct pci_address address; /* of the member */
};

/* The plan for all groups of the report. */
struct survey {
	struct check_case *c;
	struct bind_plan *plans; /* one, unless a group could not be read */
	size_t plan_count;
	struct refusal *refusals;
	size_t refusal_count;
	struct bind_lease *leases;
	size_t lease_count;
	const struct check_finding *host; /* an error of the host: H05, H06 */
	struct err why; /* why a group has no plan */
};

static bool is_about(const struct refusal *f, const struct pci_device *d)
{
	return f->is_whole || pci_address_equal(f->address, d->address);
}

/* Problems of one kind, those of the device itself first. */
struct refusals {
	const struct refusal *first;
	size_t count;
};

/* What the plan says of a group. */
struct group_sum {
	struct refusals final; /* no step solves these */
	struct refusals steps;
	struct refusals unseen; /* usher could not look */
};

static void refusals_add(struct refusals *s, const struct refusal *f, const struct pci_device *d)
{
	if (!s->first || (is_about(f, d) && !is_about(s->first, d)))
		s->first = f;
	s->count++;
}

static void group_sum_up(const struct survey *s, const struct pci_device *d, struct group_sum *ret)
{
	*ret = (struct group_sum){0};
	for (size_t i = 0; i < s->refusal_count; i++) {
		const struct refusal *f = &s->refusals[i];

		if (f->group != d->group)
			continue;
		if (f->problem->unsure)
			refusals_add(&ret->unseen, f, d);
		else if (has_step(f->problem))
			refusals_add(&ret->steps, f, d);
		else
			refusals_add(&ret->final, f, d);
	}
}

/* A sentence: "it does not answer", "eth0: has the address …", "0000:02:00.0 in its group: …". */
static void describe_problem(
	const struct refusal *f, const struct pci_device *d, char *buf, size_t size)
{
	static const char *const verbs[] = {"is ", "has ", "does "};
	const char *text = f->problem->text;
	bool is_own = is_about(f, d), is_verb = false;

	for (size_t i = 0; i < COUNT(verbs); i++)
		is_verb = is_verb || strncmp(text, verbs[i], strlen(verbs[i])) == 0;
	if (is_own)
		(void)snprintf(buf, size, "%s%s", is_verb ? "it " : "", text);
	else
		(void)snprintf(buf, size, "%s in its group%s %s", f->problem->object,
			is_verb ? "" : ":", text);
}

static void describe_step(struct check_verdict *v, const struct bind_problem *p, const char *why)
{
	if (describe_end(p, v->text, sizeof(v->text)) ||
		describe_unmount(p, v->text, sizeof(v->text)))
		(void)snprintf(v->why, sizeof(v->why), "%s", why);
	else
		(void)snprintf(v->text, sizeof(v->text), "%.80s (%.300s)",
			find_remedy(p->check)->step, why);
}

static void judge_refused(struct check_verdict *v, const struct group_sum *s)
{
	char why[400];
	const struct refusal *f = s->final.first ? s->final.first : s->steps.first;

	if (!f) {
		v->kind = CHECK_UNKNOWN;
		(void)snprintf(v->text, sizeof(v->text), "run as root to see all users");
		return;
	}
	const struct bind_problem *p = f->problem;
	describe_problem(f, &v->device, why, sizeof(why));
	if (s->final.first) {
		v->kind = CHECK_CANNOT;
		(void)snprintf(v->text, sizeof(v->text), "%s", why);
	} else {
		v->kind = CHECK_STEP;
		describe_step(v, p, why);
	}
	v->count = s->final.count + s->steps.count;
}

/* A member that keeps VFIO from opening a group of which other members are on VFIO. */
static const struct bind_member *find_outsider(const struct bind_group *g)
{
	const struct bind_member *outsider = NULL;
	bool has_vfio = false;

	for (size_t i = 0; i < g->count; i++) {
		const struct bind_member *m = &g->members[i];

		has_vfio = has_vfio || m->act == BIND_ACT_ALREADY;
		if (m->act == BIND_ACT_TAKE && m->device.driver[0] &&
			strcmp(m->device.driver, "pci-stub") != 0)
			outsider = m;
	}
	return has_vfio ? outsider : NULL;
}

/* Who put the device on its VFIO driver. */
static void describe_ready(
	struct check_case *c, const struct bind_lease *l, struct check_verdict *v)
{
	char where[200], safe[240];

	if (l)
		(void)snprintf(v->text, sizeof(v->text), "on %s, %s", v->device.driver, l->text);
	else if (check_claims_hold(c, v->device.address))
		(void)snprintf(v->text, sizeof(v->text), "on %s by its claim", v->device.driver);
	else if (check_early_ids(c, &v->device, where, sizeof(where)))
		(void)snprintf(v->text, sizeof(v->text), "on %s by its ids in %s", v->device.driver,
			(file_escape(safe, sizeof(safe), where), safe));
	else
		(void)snprintf(v->text, sizeof(v->text), "on %s already", v->device.driver);
}

/* The members that are taken along. */
static void describe_company(const struct bind_group *g, struct check_verdict *v)
{
	char address[PCI_ADDRESS_TEXT];
	size_t count = 0;

	for (size_t i = 0; i < g->count; i++) {
		const struct bind_member *m = &g->members[i];

		if (m->act == BIND_ACT_STAYS ||
			pci_address_equal(m->device.address, v->device.address))
			continue;
		if (!count++)
			(void)snprintf(v->text, sizeof(v->text), "together with %s",
				pci_address_format(m->device.address, address));
	}
	size_t used = strlen(v->text);
	if (count > 1)
		(void)snprintf(v->text + used, sizeof(v->text) - used, " and %zu more of its group",
			count - 1);
}

/* To lend the display that a person looks at is possible, and not what they expect. */
static void describe_darkness(struct check_case *c, struct check_verdict *v)
{
	char path[FILE_PATH_MAX], boot[8] = "";
	size_t displays = 0, used = strlen(v->text);

	if (!check_is_display(c, &v->device))
		return;
	for (size_t i = 0; i < c->device_count; i++)
		displays += check_is_display(c, &c->devices[i]) && !c->devices[i].seems_dead;
	if (pci_device_path(v->device.address, "boot_vga", path, sizeof(path)) < 0)
		return;
	(void)host_read_text(c->host, path, boot, sizeof(boot));
	if (displays == 1 || boot[0] == '1')
		(void)snprintf(v->text + used, sizeof(v->text) - used,
			"%sbut it is the %s display, whose screen goes dark", used ? ", " : "",
			displays == 1 ? "only" : "firmware's");
}

static void judge_free(struct check_case *c, const struct bind_group *g, const struct bind_lease *l,
	struct check_verdict *v)
{
	const struct bind_member *outsider = find_outsider(g);
	char address[PCI_ADDRESS_TEXT], other[PCI_ADDRESS_TEXT];
	bool is_ready = bind_on_vfio(c->host, &v->device);

	pci_address_format(v->device.address, address);
	v->kind = outsider ? CHECK_STEP : CHECK_LENDABLE;
	if (outsider && pci_address_equal(outsider->device.address, v->device.address))
		(void)snprintf(v->text, sizeof(v->text),
			"usher bind %s (it is on %s, others of its group on VFIO)", address,
			outsider->device.driver);
	else if (outsider)
		(void)snprintf(v->text, sizeof(v->text), "usher bind %s (%s of its group is on %s)",
			address, pci_address_format(outsider->device.address, other),
			outsider->device.driver);
	else if (is_ready)
		describe_ready(c, l, v);
	else
		describe_company(g, v);
	if (!outsider && !is_ready)
		describe_darkness(c, v);
}

/* `usher bind` takes a device that lost its BARs by a reset, and the device does not work. */
static void judge_blank(struct check_case *c, struct check_verdict *v)
{
	const struct pci_device *d = &v->device;
	char address[PCI_ADDRESS_TEXT];

	if (v->kind != CHECK_LENDABLE || (d->driver[0] && !bind_on_vfio(c->host, d)) ||
		!pci_device_is_blank(c->host, d->address))
		return;
	v->kind = CHECK_STEP;
	v->count = 1;
	(void)snprintf(v->text, sizeof(v->text), "usher revive %s (its BARs have no addresses)",
		pci_address_format(d->address, address));
}

static bool has_group(const struct check_case *c, const struct pci_device *d)
{
	return c->iommu == PCI_IOMMU_ON && d->group != PCI_GROUP_NONE;
}

/* A user of a device that has no group: it counts as it would in a plan. */
static void judge_hold(const struct hold *o, struct check_verdict *v)
{
	struct bind_problem p = {.check = o->check, .refuses = true, .liftable = !o->absolute};

	if (o->unsure || v->text[0])
		return;
	(void)snprintf(p.text, sizeof(p.text), "%.60s: %s", o->object, o->text);
	if (has_step(&p))
		v->count++;
	else
		(void)snprintf(v->text, sizeof(v->text), "%s", p.text);
}

/* Whether this host could have an IOMMU that works. */
static void judge_without_iommu(struct check_case *c, struct check_verdict *v)
{
	bool is_guest = check_cpu_read(c).is_guest;
	const char *text = "turn the IOMMU on";

	if (check_is_board(c))
		text = "this board has no IOMMU";
	else if (hypervisor_is_xen(c))
		text = "Xen has the IOMMU of this host";
	else if (is_guest && !hypervisor_has_iommu(c))
		text = "the hypervisor of this host gives no IOMMU to guests";
	else
		v->kind = CHECK_STEP;
	if (v->kind == CHECK_STEP && is_guest)
		text = "give this virtual machine an IOMMU";
	if (v->kind != CHECK_STEP)
		v->count = 1;
	(void)snprintf(v->text, sizeof(v->text), "%s (%s)", text,
		c->iommu == PCI_IOMMU_KERNEL ? "H02" : "H01");
}

/* Devices that no plan has: the IOMMU is off, or they are not behind it. */
static int judge_bare(struct check_case *c, struct check_verdict *v)
{
	struct holds holds = {0};

	v->kind = CHECK_CANNOT;
	if (c->iommu == PCI_IOMMU_ON) {
		(void)snprintf(v->text, sizeof(v->text), "it is not behind the IOMMU of this %s",
			check_is_board(c) ? "board, which serves other devices" : "host");
		return 0;
	}
	int r = c->view ? 0 : hold_view_new(c->host, HOLD_EVERYTHING, &c->view, c->e);
	if (r == 0)
		r = hold_find_in(c->view, &v->device, &holds, c->e);
	for (size_t i = 0; r == 0 && i < holds.count; i++)
		judge_hold(&holds.list[i], v);
	holds_fini(&holds);
	if (r < 0 || v->text[0])
		return r;
	judge_without_iommu(c, v);
	return 0;
}

static const struct bind_group *find_group(const struct survey *s, int number)
{
	for (size_t i = 0; i < s->plan_count; i++)
		for (size_t k = 0; k < s->plans[i].group_count; k++)
			if (s->plans[i].groups[k].number == number)
				return &s->plans[i].groups[k];
	return NULL;
}

static const struct bind_lease *find_lease(const struct survey *s, int group)
{
	for (size_t i = 0; i < s->lease_count; i++)
		if (s->leases[i].group == group && s->leases[i].state != BIND_LEASE_VOID)
			return &s->leases[i];
	return NULL;
}

/* With an erratum, of which only the kernel log tells, no setting turns interrupt remapping on. */
static const char *obstacle_step(const struct check_finding *f)
{
	if (strcmp(f->rule->id, "H05") != 0)
		return "let the kernel load vfio-pci";
	return strcmp(f->path, HOST_KERNEL_LOG) == 0
		       ? "allow unsafe interrupts, if you trust all guests"
		       : "enable interrupt remapping";
}

/* VFIO refuses every group of this host, or is missing. */
static void judge_host(const struct check_finding *f, struct check_verdict *v)
{
	if (v->kind == CHECK_STEP)
		v->count++;
	if (v->kind != CHECK_LENDABLE)
		return;
	v->kind = CHECK_STEP;
	(void)snprintf(v->text, sizeof(v->text), "%s (%s)", obstacle_step(f), f->rule->id);
}

/* An error of the host that every device waits for; NULL for none. */
static const struct check_finding *find_obstacle(const struct check_report *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->list[i].severity == CHECK_FAIL &&
			(strcmp(r->list[i].rule->id, "H05") == 0 ||
				strcmp(r->list[i].rule->id, "H06") == 0))
			return &r->list[i];
	return NULL;
}

static int verdict_make(const struct survey *s, struct check_verdict *v)
{
	const struct pci_device *d = &v->device;
	struct group_sum sum;
	char text[64];

	if (d->is_bridge || bind_is_platform(d)) {
		v->kind = CHECK_CANNOT;
		(void)snprintf(v->text, sizeof(v->text), "it is %s%s",
			check_class_text(d, text, sizeof(text)),
			d->is_bridge ? ", which keeps its driver" : " of the host");
		return 0;
	}
	if (!has_group(s->c, d))
		return judge_bare(s->c, v);
	const struct bind_group *g = find_group(s, d->group);
	if (!g) {
		v->kind = CHECK_UNKNOWN;
		(void)snprintf(v->text, sizeof(v->text), "%.390s", s->why.msg);
		return 0;
	}
	group_sum_up(s, d, &sum);
	if (sum.final.count + sum.steps.count + sum.unseen.count)
		judge_refused(v, &sum);
	else
		judge_free(s->c, g, find_lease(s, d->group), v);
	judge_blank(s->c, v);
	if (s->host)
		judge_host(s->host, v);
	return 0;
}

static void survey_fini(struct survey *s)
{
	for (size_t i = 0; i < s->plan_count; i++)
		bind_plan_fini(&s->plans[i]);
	free(s->plans);
	free(s->refusals);
	free(s->leases);
}

/* Which group a refusing problem is about. */
static struct refusal refusal_make(const struct check_case *c, const struct bind_problem *p)
{
	struct refusal f = {.problem = p, .group = PCI_GROUP_NONE};
	const struct pci_device *d;

	f.is_whole = sscanf(p->object, "group %d", &f.group) == 1;
	if (!f.is_whole && pci_address_parse(p->object, &f.address) == 0 &&
		(d = check_find(c, f.address)))
		f.group = d->group;
	return f;
}

static int refusals_read(struct survey *s)
{
	size_t room = 1;

	for (size_t i = 0; i < s->plan_count; i++)
		room += s->plans[i].problem_count;
	s->refusals = calloc(room, sizeof(*s->refusals));
	if (!s->refusals)
		return -ENOMEM;
	for (size_t i = 0; i < s->plan_count; i++)
		for (size_t k = 0; k < s->plans[i].problem_count; k++)
			if (s->plans[i].problems[k].refuses)
				s->refusals[s->refusal_count++] =
					refusal_make(s->c, &s->plans[i].problems[k]);
	return 0;
}

/* A target for each group: the plan has its other members in any case. */
static size_t targets_choose(const struct check_case *c, const struct pci_device *list,
	size_t count, struct bind_target *targets)
{
	size_t n = 0;
	int last = PCI_GROUP_NONE;

	for (size_t i = 0; i < count; i++) {
		const struct pci_device *d = &list[i];

		if (d->is_bridge || bind_is_platform(d) || !has_group(c, d) || d->group == last)
			continue;
		last = d->group;
		targets[n++].address = d->address;
	}
	return n;
}

/* One plan for all groups, so that the users are read once; else those that can be planned. */
static int plans_make(const struct bind_env *env, struct bind_request *q, struct survey *s)
{
	size_t count = q->target_count;

	s->plans = calloc(count, sizeof(*s->plans));
	if (!s->plans)
		return -ENOMEM;
	int r = bind_plan(env, q, &s->plans[0], &s->why);
	s->plan_count = r == 0;
	q->target_count = 1;
	for (; r < 0 && r != -ENOMEM && count; count--, q->targets++)
		s->plan_count += bind_plan(env, q, &s->plans[s->plan_count], &s->why) == 0;
	return r == -ENOMEM ? r : 0;
}

/* Without a journal that can be read, nobody knows who bound a device. */
static int leases_read(const struct bind_env *env, struct survey *s)
{
	struct err why = {0};

	int r = bind_leases(env, &s->leases, &s->lease_count, &why);
	return r == -ENOMEM ? r : 0;
}

static int survey_make(
	struct check_case *c, const struct pci_device *list, size_t count, struct survey *ret)
{
	cleanup_free struct bind_target *targets = calloc(count + 1, sizeof(*targets));
	struct bind_request q = {.access = BIND_ACCESS_NONE, .survey = true};
	struct bind_env env = bind_env_live();

	*ret = (struct survey){.c = c, .host = find_obstacle(c->report)};
	env.host = c->host;
	if (!targets)
		return -ENOMEM;
	q.targets = targets;
	q.target_count = targets_choose(c, list, count, targets);
	int r = q.target_count ? plans_make(&env, &q, ret) : 0;
	if (r == 0)
		r = refusals_read(ret);
	return r < 0 ? r : leases_read(&env, ret);
}

int check_verdicts(struct check_case *c, const struct pci_device *list, size_t count)
{
	struct check_report *report = c->report;
	struct survey s;

	report->verdicts = calloc(count + 1, sizeof(*report->verdicts));
	if (!report->verdicts)
		return err_set(c->e, -ENOMEM, "check this host");
	int r = survey_make(c, list, count, &s);
	for (size_t i = 0; r >= 0 && i < count; i++) {
		struct check_verdict *v = &report->verdicts[report->verdict_count++];

		v->device = list[i];
		v->count = 1;
		r = verdict_make(&s, v);
		check_claim_describe(c, v);
	}
	survey_fini(&s);
	return r == -ENOMEM ? err_set(c->e, r, "check this host") : r;
}

enum check_verdict_kind check_verdict_of(const struct check_case *c, struct pci_address a)
{
	for (size_t i = 0; i < c->report->verdict_count; i++)
		if (pci_address_equal(c->report->verdicts[i].device.address, a))
			return c->report->verdicts[i].kind;
	return CHECK_UNKNOWN;
}
