/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: before the first write to sysfs the journal has the first state of every member, and
 * it keeps that state until every member is back. So a crash at any point leaves an entry from
 * which bind_restore() can return the group.
 *
 *	lock	all groups, in order of their numbers (transaction.c)
 *	plan	again, for the state may have changed since the caller looked
 *	load	modules that the plan needs; then plan once more, with the drivers' names
 *	hold	the disks that are to be taken, exclusively, until their unbind (exclusive.c)
 *	journal	state `taking`, with the workers' processes
 *	steps	of the groups, in parallel where drivers allow it (parallel.c): override, unbind,
 *		resize, bind, then read the driver link back and wait for the group's node
 *	journal	state `taken`: now the entry is the lease
 *
 * If a step fails, groups_undo() returns the groups, the last first. A device whose unbind hangs
 * stays in the journal; its worker gets a new process for the others. An owner that takes a group
 * twice keeps the older entry, whose first state takes precedence over what is there now.
 *
 * Where all is on its driver already, nothing moves, and the first entry is the lease.
 */
#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "bind/access.h"
#include "bind/bind.h"
#include "bind/exclusive.h"
#include "bind/gate.h"
#include "bind/module.h"
#include "bind/parallel.h"
#include "bind/problem.h"
#include "bind/refusal.h"
#include "bind/resize.h"
#include "bind/return.h"
#include "bind/transaction.h"
#include "bind/variant.h"
#include "bind/vf_settings.h"
#include "host/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOLD_TRIES 10
#define PCI_CLASS_NETWORK 0x02 /* base class: PCI Code and ID Assignment Specification, 1.3 */

/* The journal's entries of one group of the plan. */
struct taking {
	struct bind_entry entry;
	struct bind_entry old; /* the entry before; an undo restores it if it was used */
};

struct transaction {
	struct bind_transaction work;
	const struct bind_request *q;
	struct bind_plan *plan;
	struct taking *takings; /* one for each group of the plan */
	struct bind_exclusive disks; /* held from the plan to their unbind */
	struct bind_parallel lanes;
	unsigned *lane_of; /* each group of the plan */
};

/* Groups of the targets that exist; the plan reports the others. */
static int find_groups(const struct bind_env *env, const struct bind_request *q, int **ret)
{
	size_t n = 0;

	int *groups = calloc(q->target_count ? q->target_count : 1, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	for (size_t i = 0; i < q->target_count; i++) {
		int group = bind_group_of(env->host, q->targets[i].address);
		if (group != PCI_GROUP_NONE)
			groups[n++] = group;
	}
	*ret = groups;
	return (int)n;
}

/* Loads the modules of the plan's drivers. Return: 1 if it loaded one, 0, -errno. */
static int load_modules(const struct bind_env *env, const struct bind_plan *p, struct err *e)
{
	int loaded = 0;

	for (size_t i = 0; i < p->group_count; i++) {
		for (size_t k = 0; k < p->groups[i].count; k++) {
			const struct bind_member *m = &p->groups[i].members[k];
			if (m->act != BIND_ACT_TAKE || bind_driver_present(env->host, m->driver))
				continue;
			int r = env->kernel->load(m->module, env->timeout_ms, e);
			if (r < 0)
				return r;
			loaded = 1;
		}
	}
	/* Only a soft dependency of vfio, but no container works without it; may be built in. */
	if (loaded)
		(void)env->kernel->load("vfio_iommu_type1", env->timeout_ms, NULL);
	return loaded;
}

/* Plans under the locks; twice if it loaded a module, whose driver's name it knows only then. */
static int plan_locked(struct transaction *t, struct err *e)
{
	const struct bind_env *env = t->work.env;

	int r = bind_plan(env, t->q, t->plan, e);
	if (r < 0)
		return r;
	if (t->plan->refusals)
		return bind_problem_refuse(t->plan, e);
	r = load_modules(env, t->plan, e);
	if (r <= 0)
		return r;
	bind_plan_fini(t->plan);
	r = bind_plan(env, t->q, t->plan, e);
	return r < 0 ? r : t->plan->refusals ? bind_problem_refuse(t->plan, e) : 0;
}

/*
 * An override set by our own udev rule is not the original state. Do not record it, nor the missing
 * driver that follows from it.
 */
static void forget_claim(
	const struct bind_request *q, const struct bind_member *m, struct bind_was *was)
{
	bool ours = q->claimed && m->is_target &&
		    (!was->override[0] || strcmp(was->override, q->claimed) == 0);

	if (!ours || (was->driver[0] && strcmp(was->driver, was->override) != 0))
		return;
	(void)snprintf(was->driver, sizeof(was->driver), "%s", BIND_DRIVER_FITTING);
	was->override[0] = '\0';
}

static void fill_member(const struct bind_env *env, const struct bind_member *m,
	const struct bind_was *before, struct bind_was *ret)
{
	const struct pci_device *d = &m->device;
	char path[FILE_PATH_MAX];

	*ret = (struct bind_was){d->address, d->vendor, d->device, d->class};
	if (before && before->vendor == d->vendor && before->device == d->device) {
		*ret = *before;
	} else {
		(void)snprintf(ret->driver, sizeof(ret->driver), "%s", d->driver);
		(void)snprintf(ret->override, sizeof(ret->override), "%s", d->driver_override);
		(void)snprintf(ret->reset_method, sizeof(ret->reset_method), "%s", d->reset_method);
		if (pci_device_path(d->address, "power/control", path, sizeof(path)) < 0 ||
			host_read_text(env->host, path, ret->control, sizeof(ret->control)) < 0)
			ret->control[0] = '\0';
	}
	(void)snprintf(ret->to, sizeof(ret->to), "%s", m->driver);
	ret->unwiped = false; /* VFIO resets it again */
	if (!ret->has_vf && d->class >> 16 == PCI_CLASS_NETWORK)
		ret->has_vf = bind_vf_settings_read(env->host, d->address, &ret->vf) == 0;
	if (m->framebuffer[0])
		(void)snprintf(ret->framebuffer, sizeof(ret->framebuffer), "%s", m->framebuffer);
	for (unsigned i = 0; i < PCI_BAR_COUNT; i++)
		if (m->bar[i] && !ret->bar[i])
			ret->bar[i] = bind_resize_now(env->host, d->address, i);
}

/* Discards a stale entry together with its udev rule. */
static int drop_past(const struct bind_env *env, struct bind_entry *old, struct err *e)
{
	int r = bind_access_is(&old->access) ? env->kernel->rule(old->group, NULL) : 0;

	bind_entry_fini(old);
	return r < 0 ? err_set(e, r, "remove the older udev rule") : 0;
}

/*
 * The new entry of a group. An older entry of this boot takes precedence over the present state:
 * usher wrote it when the device was still on its first driver.
 */
static int fill_entry(
	struct transaction *t, const struct bind_group *g, struct taking *k, struct err *e)
{
	const struct bind_env *env = t->work.env;
	struct bind_entry *n = &k->entry;
	struct bind_entry *old = &k->old;

	*n = (struct bind_entry){.group = g->number, .state = BIND_STATE_TAKING};
	n->owner = t->q->owner;
	n->access = g->access;
	n->reset_waived = bind_allows(t->q->allow, t->q->allow_count, "no-reset");
	n->manual = !n->owner.pid;
	int r = bind_boot_id(env->host, n->boot, e);
	if (r < 0)
		return r;
	n->members = calloc(g->count ? g->count : 1, sizeof(*n->members));
	if (!n->members)
		return err_set(e, -ENOMEM, "journal of group %d", g->number);
	r = bind_journal_read(env, g->number, old, e);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && (strcmp(old->boot, n->boot) != 0 || bind_entry_is_past(g, old))) {
		r = drop_past(env, old, e);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < g->count; i++) {
		const struct bind_member *m = &g->members[i];
		if (m->act == BIND_ACT_STAYS)
			continue;
		struct bind_was *was = &n->members[n->count++];
		fill_member(env, m, bind_entry_find(old, m->device.address), was);
		forget_claim(t->q, m, was);
	}
	n->manual = n->manual || old->manual;
	n->used = old->used;
	return 0;
}

static int fill_entries(struct transaction *t, struct err *e)
{
	t->takings = calloc(t->plan->group_count, sizeof(*t->takings));
	if (!t->takings)
		return err_set(e, -ENOMEM, "journal");
	for (size_t i = 0; i < t->plan->group_count; i++) {
		int r = fill_entry(t, &t->plan->groups[i], &t->takings[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Returns NULL if the group is not in the plan. */
static struct taking *find_taking(struct transaction *t, int group)
{
	for (size_t i = 0; i < t->plan->group_count; i++)
		if (t->plan->groups[i].number == group)
			return &t->takings[i];
	return NULL;
}

/* The worker that does the writes of a group. */
static struct bind_worker *taking_worker(struct transaction *t, int group)
{
	return &t->work.workers[bind_parallel_lane(&t->lanes, group)];
}

static int step_journal(struct transaction *t, const struct bind_step *s, struct err *e)
{
	struct taking *k = find_taking(t, s->group);

	if (!k)
		return err_say(e, -EINVAL, "group %d: not in the plan", s->group);
	struct bind_entry *n = &k->entry;
	if (s->journal == BIND_JOURNAL_TAKEN) {
		n->state = BIND_STATE_TAKEN;
		n->used = true;
		n->writer = 0;
		n->writer_start = 0;
	} else {
		bind_worker_sign(taking_worker(t, s->group), n);
	}
	return bind_transaction_journal(&t->work, n, e);
}

static int step_verify(struct transaction *t, const struct bind_step *s, struct err *e)
{
	char address[PCI_ADDRESS_TEXT], driver[PCI_NAME_MAX] = "";

	int r = host_link_name(t->work.env->host, s->path, driver, sizeof(driver));
	if (r < 0 && r != -ENOENT)
		return err_set(e, r, "read %s", s->path);
	if (strcmp(driver, s->text) == 0)
		return 0;
	return err_say(e, -EIO, "%s: bind to %s: the kernel accepted it, but the device is on %s",
		pci_address_format(s->address, address), s->text, *driver ? driver : "no driver");
}

struct chown {
	struct transaction *t;
	const struct bind_access *access;
	struct err *e;
};

static int chown_node(struct chown *c, const char *path)
{
	int r = c->t->work.env->kernel->chown_node(path, c->access);

	return r < 0 ? err_set(c->e, r, "give %s to user %d", path, (int)c->access->uid) : 0;
}

/* The character device of one PCI device: /dev/vfio/devices/@name, where the kernel makes them. */
static int chown_cdev(void *arg, const char *name)
{
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "/dev/vfio/devices/%s", name) < 0)
		return 0;
	int r = chown_node(arg, path);
	return r == -ENOENT ? 0 : r;
}

static int step_chown(struct transaction *t, const struct bind_step *s, struct err *e)
{
	struct taking *k = find_taking(t, s->group);
	struct host *h = t->work.env->host;

	if (!k)
		return -EINVAL;
	struct chown c = {t, &k->entry.access, e};
	if (strcmp(file_base(s->path), "vfio-dev") != 0)
		return chown_node(&c, s->path);
	int r = h->ops->list(h, s->path, chown_cdev, &c);
	return r == -ENOENT ? 0 : r;
}

static int step_rule(struct transaction *t, const struct bind_step *s, struct err *e)
{
	const struct taking *k = find_taking(t, s->group);

	int r = k ? bind_access_install(t->work.env, &k->entry, e) : -EINVAL;
	bind_transaction_count(&t->work);
	return r;
}

static int step_run(void *arg, const struct bind_step *s, struct err *e)
{
	struct transaction *t = arg;
	const struct bind_env *env = t->work.env;
	int r;

	switch (s->op) {
	case BIND_OP_LOAD:
		return env->kernel->load(s->path, env->timeout_ms, e);
	case BIND_OP_JOURNAL:
		return step_journal(t, s, e);
	case BIND_OP_WRITE:
		return bind_worker_write(taking_worker(t, s->group), s->path, s->text, e);
	case BIND_OP_VERIFY:
		return step_verify(t, s, e);
	case BIND_OP_WAIT:
		r = env->kernel->wait_node(s->path, env->timeout_ms);
		return r < 0 ? err_set(e, r, "wait for %s", s->path) : 0;
	case BIND_OP_CHOWN:
		return step_chown(t, s, e);
	case BIND_OP_RULE:
		return step_rule(t, s, e);
	case BIND_OP_REGISTER: /* of a port: revive/apply.c */
	case BIND_OP_SETTINGS: /* of virtual functions that are made: vfs/apply.c */
		break;
	}
	return -EINVAL;
}

/* The driver's remove() has begun: nothing new can use the disk, and it may wait for our claim. */
static void step_pass(void *arg, const struct bind_step *s)
{
	struct transaction *t = arg;

	if (s->op == BIND_OP_WRITE && strcmp(file_base(s->path), "unbind") == 0)
		bind_exclusive_leave(&t->disks, s->address);
}

/* A claimed device keeps its override after an undo; only a release lets the kernel choose. */
static void skip_fitting_driver(struct bind_entry *n)
{
	for (size_t i = 0; i < n->count; i++) {
		struct bind_was *m = &n->members[i];
		if (strcmp(m->driver, BIND_DRIVER_FITTING) != 0)
			continue;
		m->driver[0] = '\0';
		(void)snprintf(m->override, sizeof(m->override), "%s", m->to);
	}
}

/* Undoes this transaction for one group, except for a device that hangs. */
static int group_undo(struct transaction *t, struct taking *k, unsigned number, struct err *e)
{
	const struct bind_parallel_lane *lane = &t->lanes.list[number];
	const struct bind_step *stuck = lane->code == -ETIMEDOUT ? lane->failed : NULL;
	struct bind_report report = BIND_REPORT_NONE;
	bool all = true;

	if (k->old.used) {
		/* The entry first: the lease must survive even if the rule cannot be written. */
		int back = bind_transaction_journal(&t->work, &k->old, e);
		int rule = bind_access_install(t->work.env, &k->old, back < 0 ? NULL : e);
		return back < 0 ? back : rule;
	}
	const char **why_stays = calloc(k->entry.count ? k->entry.count : 1, sizeof(*why_stays));
	if (!why_stays)
		return err_set(e, -ENOMEM, "undo");
	skip_fitting_driver(&k->entry);
	for (size_t i = 0; stuck && i < k->entry.count; i++) {
		if (!pci_address_equal(k->entry.members[i].address, stuck->address))
			continue;
		why_stays[i] = "the kernel does not return from its unbind";
		all = false;
	}
	int r = bind_return_members(
		&t->work.workers[number], &k->entry, BIND_RETURN_DRIVER, why_stays, &report, e);
	bind_report_fini(&report);
	free(why_stays);
	if (r == 0 && !all)
		return err_say(e, -ETIMEDOUT, "one device hangs in the kernel");
	return r < 0 ? r : bind_transaction_forget(&t->work, k->entry.group, e);
}

/* A process that writes to a hanging device hangs as well, so its worker gets another one. */
static int lanes_rearm(struct transaction *t, struct err *e)
{
	int first = 0;

	for (size_t i = 0; i < t->lanes.count; i++) {
		bool lost = t->lanes.list[i].code == -ETIMEDOUT;
		int r = lost ? bind_worker_arm(&t->work.workers[i], e) : 0;
		first = first ? first : r;
	}
	return first;
}

/* Undoes group by group, the last first. The journal keeps what could not be undone. */
static void groups_undo(struct transaction *t, struct err *e)
{
	struct err why = {0};

	int first = lanes_rearm(t, &why);
	for (size_t i = t->plan->group_count; i--;) {
		int r = group_undo(t, &t->takings[i], t->lane_of[i], first ? NULL : &why);
		first = first ? first : r;
	}
	if (first == 0)
		return;
	size_t n = strlen(e->msg);
	(void)snprintf(e->msg + n, sizeof(e->msg) - n, "; not all undone: %s", why.msg);
	if (!e->hint[0])
		err_hint(e, "usher restore");
}

/* Starts a worker for each lane; the journal names its process before the first write. */
static int open_lanes(struct transaction *t, struct err *e)
{
	t->lane_of = calloc(t->plan->group_count, sizeof(*t->lane_of));
	if (!t->lane_of)
		return err_set(e, -ENOMEM, "take");
	t->lanes = (struct bind_parallel){.work = &t->work,
		.plan = t->plan,
		.of = t->lane_of,
		.count = bind_parallel_choose(t->plan, t->lane_of),
		.step = step_run,
		.pass = step_pass,
		.arg = t};
	int r = 0;
	for (size_t i = 0; r == 0 && i < t->lanes.count; i++)
		r = bind_worker_arm(&t->work.workers[i], e);
	return r;
}

static bool is_for_all(const struct bind_step *s)
{
	return s->op == BIND_OP_LOAD || s->op == BIND_OP_JOURNAL;
}

/* Modules and journal entries in order; between them the groups' own steps, in parallel. */
static int steps_run(
	struct transaction *t, const struct bind_step *steps, size_t count, struct err *e)
{
	size_t first = 0, end = count;
	int r = 0;

	while (first < count && is_for_all(&steps[first]))
		first++;
	while (end > first && is_for_all(&steps[end - 1]))
		end--;
	for (size_t i = 0; r == 0 && i < first; i++)
		r = step_run(t, &steps[i], e);
	if (r == 0)
		r = bind_parallel_run(&t->lanes, steps + first, end - first, e);
	for (size_t i = end; r == 0 && i < count; i++)
		r = step_run(t, &steps[i], e);
	return r;
}

/* Without a worker, which nothing needs here. */
static int entries_write(
	struct transaction *t, const struct bind_step *steps, size_t count, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = step_run(t, &steps[i], e);
	for (size_t i = 0; r < 0 && i < t->plan->group_count; i++) {
		const struct taking *k = &t->takings[i];
		(void)(k->old.count ? bind_transaction_journal(&t->work, &k->old, NULL)
				    : bind_transaction_forget(&t->work, k->entry.group, NULL));
	}
	return r;
}

static int plan_carry_out(struct transaction *t, struct err *e)
{
	struct bind_step *steps = NULL;
	size_t count = 0;

	int r = fill_entries(t, e);
	if (r < 0)
		return r;
	r = bind_plan_steps(t->work.env, t->q, t->plan, &steps, &count);
	if (r < 0)
		return err_set(e, r, "list the steps");
	const bool moves = bind_plan_moves(t->plan);
	r = moves ? open_lanes(t, e) : entries_write(t, steps, count, e);
	if (r == 0 && moves) {
		r = steps_run(t, steps, count, e);
		bind_exclusive_end(&t->disks);
		if (r < 0)
			groups_undo(t, e);
	}
	free(steps);
	return r;
}

/*
 * Claims the disks of the plan. If one has got a user since the plan, the next plan names it. A
 * look by blkid or another usher is over after some milliseconds.
 */
static int disks_hold(struct transaction *t, struct err *e)
{
	static const struct timespec pause = {0, 20000000L};
	int r = -EBUSY;

	for (unsigned i = 0; i < HOLD_TRIES; i++) {
		r = bind_exclusive_begin(&t->disks, t->work.env, t->plan, e);
		if (r != -EBUSY)
			return r;
		bind_exclusive_end(&t->disks);
		(void)nanosleep(&pause, NULL);
		bind_plan_fini(t->plan);
		r = bind_plan(t->work.env, t->q, t->plan, e);
		if (r < 0)
			return r;
		if (t->plan->refusals)
			return bind_problem_refuse(t->plan, e);
	}
	return err_say(e, -EBUSY, "a disk is claimed again and again by an unknown program");
}

static int take_locked(struct transaction *t, struct err *e)
{
	int r = plan_locked(t, e);

	if (r < 0)
		return r;
	r = disks_hold(t, e);
	return r < 0 ? r : plan_carry_out(t, e);
}

static void transaction_end(struct transaction *t)
{
	for (size_t i = 0; t->takings && i < t->plan->group_count; i++) {
		bind_entry_fini(&t->takings[i].entry);
		bind_entry_fini(&t->takings[i].old);
	}
	free(t->takings);
	free(t->lane_of);
	bind_exclusive_end(&t->disks);
	bind_transaction_end(&t->work);
}

int bind_take(const struct bind_env *env, const struct bind_request *q, struct bind_plan *ret,
	struct err *e)
{
	struct bind_request locked = *q;
	struct transaction t = {.q = &locked, .plan = ret};
	int *groups = NULL;
	struct err own = {0};

	locked.is_locked = true;
	*ret = BIND_PLAN_NONE;
	e = e ? e : &own;
	int n = find_groups(env, q, &groups);
	if (n < 0)
		return err_set(e, n, "plan");
	int r = bind_transaction_begin(&t.work, env, groups, (size_t)n, e);
	free(groups);
	if (r == 0)
		r = take_locked(&t, e);
	transaction_end(&t);
	if (ret->refusals)
		bind_refusal_count(env);
	if (r == 0)
		bind_variant_cache(env);
	return r;
}
