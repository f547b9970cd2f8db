/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: the entry in STATE/revive has the state before the first write, and is removed after
 * the last one. revive_settle() goes back from any point between them.
 *
 * The plan is made again under the locks: of all groups below the port, and one for all revivals.
 * Each step is its writes and a look at the device; the first step after which it answers ends the
 * list. A reset does not: the kernel saved the registers of the dead device before it, all ones,
 * and wrote these back. So the device is removed and found again.
 */
#include "revive/apply.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/lock.h"
#include "bind/problem.h"
#include "bind/transaction.h"
#include "host/host.h"
#include "pci/capability.h"
#include "pci/sleep.h"
#include "revive/entry.h"
#include "revive/settle.h"
#include "revive/steps.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOCK "revive"
#define POLL_MS 50
#define SETTLE_MS 1000 /* PCI Express Base 6.6.1: a device answers 1 s after its link is up */
/*
 * The kernel resets a device in a slot by its slot, waits 61 s in vain, and then resets the bus of
 * the port and waits as long again (pci_reset_bus_function() in drivers/pci/pci.c).
 */
#define RESET_MS 150000

struct change {
	struct bind_transaction work;
	struct revive_entry entry;
	const struct bind_env *env;
	const struct revive_plan *plan;
	struct revive_report *report;
	const struct revive_listener *listener;
};

static void pause_ms(int ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	(void)nanosleep(&t, NULL);
}

static int patience_ms(const struct change *c)
{
	return (int)min_u64(SETTLE_MS, (uint64_t)c->env->timeout_ms);
}

/* Looks until the device answers, or its time is over. */
static enum revive_state state_await(struct change *c, struct pci_device *ret)
{
	enum revive_state s = revive_state_read(c->env->host, c->plan->address, ret);

	for (int left = patience_ms(c); s != REVIVE_ANSWERS && left > 0; left -= POLL_MS) {
		pause_ms(POLL_MS);
		s = revive_state_read(c->env->host, c->plan->address, ret);
	}
	return s;
}

/* Retraining is over when Link Training clears; PCI Express Base 7.5.3.8. */
static void link_await(struct change *c)
{
	struct revive_port now = c->plan->port;

	for (int left = patience_ms(c); left > 0; left -= POLL_MS) {
		pause_ms(POLL_MS);
		revive_port_read_link(c->env->host, &now);
		if (!now.has_link || !(now.status & PCI_EXP_LNKSTA_LT))
			return;
	}
}

static int register_write(struct change *c, const struct bind_step *w, struct err *e)
{
	unsigned short offset, value;

	if (sscanf(w->text, "0x%hx=0x%hx", &offset, &value) != 2)
		return -EINVAL;
	int r = bind_worker_write_register(&c->work.workers[0], w->path, offset, value, e);
	if (r == 0)
		link_await(c);
	return r;
}

static int attribute_write(struct change *c, const struct bind_step *w, struct err *e)
{
	struct bind_worker *worker = &c->work.workers[0];
	bool is_reset = strcmp(file_base(w->path), "reset") == 0;
	int ms = is_reset && c->env->timeout_ms < RESET_MS ? RESET_MS : c->env->timeout_ms;

	int r = bind_worker_ask(worker, w->path, w->text, e);
	return r < 0 ? r : bind_worker_answer(worker, ms, e);
}

/* The kernel refuses raw registers when Secure Boot locks it down. */
static int write_explain(int r, const struct bind_step *w, struct err *e)
{
	if (r == -EPERM && w->op == BIND_OP_REGISTER)
		return err_say(e, r,
			"the kernel is locked down (Secure Boot) and takes no write "
			"to registers");
	if (r == -ENOTTY && strcmp(file_base(w->path), "reset") == 0)
		return err_say(e, r, "the reset did not reach it");
	if ((r == -ENODEV || r == -EINVAL) && strcmp(file_base(w->path), "power") == 0)
		return err_say(e, r, "the slot finds no card, or is %s already",
			w->text[0] == '1' ? "on" : "off");
	return r;
}

/* What an earlier step removed, and nothing found again, is no failure of this one. */
static bool is_moot(const struct change *c, const struct bind_step *w)
{
	char target[FILE_PATH_MAX];

	return w->op == BIND_OP_WRITE &&
	       c->env->host->ops->link(c->env->host, w->path, target, sizeof(target)) == -ENOENT;
}

static int write_run(struct change *c, const struct bind_step *w, struct err *e)
{
	if (w->op == BIND_OP_VERIFY || is_moot(c, w))
		return 0;
	int r = w->op == BIND_OP_REGISTER ? register_write(c, w, e) : attribute_write(c, w, e);
	return r < 0 ? write_explain(r, w, e) : 0;
}

/* Runs the writes of a step. Return: 0, also after a failure that @o tells; -ETIMEDOUT. */
static int writes_run(
	struct change *c, const struct revive_step *s, struct revive_outcome *o, struct err *e)
{
	struct pci_device d;

	for (size_t i = s->first; i < s->first + s->count; i++) {
		const struct bind_step *w = &c->plan->writes[i];
		struct err why = {0};
		int r = write_run(c, w, &why);
		if (r == -ETIMEDOUT) {
			(void)snprintf(o->text, sizeof(o->text), "the kernel did not come back");
			*e = why;
			return r;
		}
		if (r < 0 && !o->text[0])
			(void)snprintf(o->text, sizeof(o->text), "%.255s", why.msg);
		/* The slot's power was off: there is nothing to switch off any more. */
		if (s->kind == REVIVE_SLOT && w->text[0] == '1' &&
			revive_state_read(c->env->host, c->plan->address, &d) == REVIVE_ANSWERS)
			break;
	}
	return 0;
}

static void outcome_tell(struct change *c, const struct revive_outcome *o)
{
	c->report->outcomes[c->report->count++] = *o;
	if (c->listener && c->listener->hear)
		c->listener->hear(c->listener->arg, o);
}

static int steps_run(struct change *c, struct err *e)
{
	struct revive_report *report = c->report;

	for (size_t i = 0; i < c->plan->step_count; i++) {
		const struct revive_step *s = &c->plan->steps[i];
		struct revive_outcome o = {
			.kind = s->kind, .withheld = s->withheld, .state = report->state};
		if (s->withheld) {
			outcome_tell(c, &o);
			continue;
		}
		if (c->listener && c->listener->begin)
			c->listener->begin(c->listener->arg, s->kind);
		int r = writes_run(c, s, &o, e);
		if (r < 0) {
			outcome_tell(c, &o);
			return r;
		}
		report->state = o.state = state_await(c, &report->device);
		outcome_tell(c, &o);
		if (o.state == REVIVE_ANSWERS && s->kind != REVIVE_RESET) {
			report->by_wake = s->kind == REVIVE_WAKE;
			return 0;
		}
	}
	return 0;
}

static void setting_add(
	struct revive_entry *n, struct pci_address a, const char *name, const char *value)
{
	struct revive_setting *s = &n->settings[n->setting_count];

	if (!value[0] || n->setting_count == REVIVE_SETTINGS_MAX)
		return;
	n->setting_count++;
	s->address = a;
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
	(void)snprintf(s->value, sizeof(s->value), "%s", value);
}

static void power_add(struct host *h, struct revive_entry *n, struct pci_address a)
{
	struct pci_sleep s;

	pci_sleep_read(h, a, &s);
	setting_add(n, a, "power/control", s.control);
	setting_add(n, a, "d3cold_allowed", s.cold);
}

/* Whether the driver of an override had the device; a gone one counts as bound, by its lease. */
static bool was_bound(struct host *h, const struct revive_override *o)
{
	struct pci_device d;

	return pci_device_peek(h, o->address, &d, NULL) < 0 || strcmp(d.driver, o->driver) == 0;
}

static int entry_fill(struct change *c, struct err *e)
{
	const struct revive_plan *p = c->plan;
	struct host *h = c->env->host;
	struct revive_entry *n = &c->entry;

	*n = (struct revive_entry){.address = p->address,
		.vendor = p->known.has_id ? p->known.vendor : UINT16_MAX,
		.device = p->known.has_id ? p->known.device : UINT16_MAX,
		.domain = p->address.domain,
		.bus = p->has_port ? p->port.secondary : p->address.bus};
	if (p->override_count > REVIVE_KEPT_MAX)
		return err_say(e, -E2BIG, "more than %d devices below the port have an override",
			REVIVE_KEPT_MAX);
	if (p->has_port) {
		power_add(h, n, p->port.address);
		(void)snprintf(n->slot, sizeof(n->slot), "%s", p->port.slot);
		n->slot_on = p->port.slot_on;
		n->has_link = p->port.has_link;
		n->port = p->port.address;
		n->control_at = p->port.control_at;
		n->control = p->port.control;
	}
	if (p->state != REVIVE_GONE) {
		(void)snprintf(n->driver, sizeof(n->driver), "%s", p->device.driver);
		power_add(h, n, p->address);
		setting_add(n, p->address, "reset_method", p->device.reset_method);
	}
	for (size_t i = 0; i < p->override_count; i++) {
		struct revive_kept *k = &n->kept[n->kept_count++];
		k->address = p->overrides[i].address;
		k->bound = was_bound(h, &p->overrides[i]);
		(void)snprintf(k->driver, sizeof(k->driver), "%s", p->overrides[i].driver);
	}
	return bind_boot_id(h, n->boot, e);
}

static int entry_sign(struct change *c, struct err *e)
{
	struct bind_entry signature = BIND_ENTRY_NONE;

	bind_worker_sign(&c->work.workers[0], &signature);
	c->entry.writer = signature.writer;
	c->entry.writer_start = signature.writer_start;
	return revive_entry_write(&c->work, &c->entry, e);
}

/* Speed and width of the link, and what its two ends can do. */
static void link_read(struct change *c)
{
	struct revive_report *t = c->report;
	struct pci_express x;
	struct pci_config config;

	if (!c->plan->has_port)
		return;
	t->port = c->plan->port;
	revive_port_read_link(c->env->host, &t->port);
	if (t->state != REVIVE_ANSWERS || !t->port.has_link ||
		pci_config_read(c->env->host, c->plan->address, &config, NULL) < 0 ||
		pci_express_read(&config, &x) < 0 || !x.width)
		return;
	t->has_link = true;
	t->speed = x.speed;
	t->width = x.width;
	t->speed_max = (uint8_t)min_u64(x.speed_max, t->port.speed_max);
	t->width_max = (uint8_t)min_u64(x.width_max, t->port.width_max);
}

/* A driver that probes in the background gets a moment, where one had the device before. */
static void driver_await(struct change *c)
{
	struct revive_report *t = c->report;
	bool wanted = c->plan->known.driver[0] && t->state == REVIVE_ANSWERS;

	for (int left = patience_ms(c); wanted && left > 0; left -= POLL_MS) {
		if (pci_device_read(c->env->host, c->plan->address, &t->device, NULL) == 0 &&
			t->device.driver[0])
			return;
		pause_ms(POLL_MS);
	}
}

static void report_finish(struct change *c)
{
	struct revive_report *t = c->report;
	const struct revive_known *k = &c->plan->known;

	driver_await(c);
	if (t->state != REVIVE_GONE)
		t->state = revive_state_read(c->env->host, c->plan->address, &t->device);
	t->is_other = t->state == REVIVE_ANSWERS && k->has_id &&
		      (t->device.vendor != k->vendor || t->device.device != k->device);
	link_read(c);
}

static int change_run(struct change *c, struct err *e)
{
	int r = entry_fill(c, e);

	if (r < 0)
		return r;
	r = bind_worker_arm(&c->work.workers[0], e);
	if (r < 0)
		return r;
	r = entry_sign(c, e);
	if (r < 0)
		return r;
	r = steps_run(c, e);
	/* The kernel keeps the writer; restore completes this when it lets it go. */
	if (r < 0)
		return r;
	const struct revive_report *t = c->report;
	enum revive_ending ending = t->state != REVIVE_ANSWERS ? REVIVE_ENDING_FAILED
				    : t->by_wake               ? REVIVE_ENDING_AWAKE
							       : REVIVE_ENDING_BACK;
	r = revive_settle(&c->work, &c->entry, ending, &c->report->late);
	if (r == -ETIMEDOUT)
		*e = c->report->late;
	return r == -ETIMEDOUT ? r : 0;
}

/* Locks the groups of all functions that a step may touch. */
static int groups_lock(struct change *c, const struct revive_plan *p, struct err *e)
{
	size_t n = 0;
	int *groups = calloc(p->beside_count + 1, sizeof(*groups));

	if (!groups)
		return err_set(e, -ENOMEM, "lock groups");
	if (p->state != REVIVE_GONE && p->device.group >= 0)
		groups[n++] = p->device.group;
	for (size_t i = 0; i < p->beside_count; i++)
		if (p->beside[i].group >= 0)
			groups[n++] = p->beside[i].group;
	int r = bind_transaction_begin(&c->work, c->env, groups, n, e);
	free(groups);
	return r;
}

static int change_planned(
	struct change *c, const struct revive_request *q, struct revive_plan *plan, struct err *e)
{
	struct revive_report *t = c->report;

	int r = revive_plan(c->env, q, plan, e);
	if (r < 0)
		return r;
	t->state = plan->state;
	t->device = plan->device;
	if (plan->says.refusals)
		return bind_problem_refuse(&plan->says, e);
	if (c->listener && c->listener->planned)
		c->listener->planned(c->listener->arg, plan);
	if (plan->state != REVIVE_ANSWERS)
		r = change_run(c, e);
	if (r == 0 || t->count)
		report_finish(c);
	return r < 0 ? r : t->state == REVIVE_ANSWERS && !t->is_other ? 0 : 1;
}

/* The groups of an interrupted revival are those below its port now. */
static int restore_lock(struct change *c, struct pci_address a, struct err *e)
{
	const struct revive_request q = {.function.address = a};
	struct revive_plan p = {0};

	int r = revive_plan(c->env, &q, &p, e);
	if (r == 0)
		r = groups_lock(c, &p, e);
	revive_plan_fini(&p);
	return r;
}

static int restore_locked(struct change *c, struct pci_address a, struct err *e)
{
	struct revive_entry *n = &c->entry;
	char boot[BIND_BOOT_MAX], text[1];
	struct err why = {0};

	/* An entry that cannot be read now may be the only one that knows what is missing. */
	int r = revive_entry_read(c->env, a, n, &why);
	if (r == -ENOENT || r == -EBADMSG)
		return revive_entry_remove(&c->work, a, e);
	if (r < 0)
		return err_say(e, r, "%s", why.msg);
	bind_transaction_await(c->env, n->writer, n->writer_start);
	r = bind_boot_id(c->env->host, boot, e);
	if (r < 0)
		return r;
	enum bind_lease_state s = revive_entry_judge(c->env, n, boot, text, sizeof(text));
	if (s == BIND_LEASE_VOID)
		return revive_entry_remove(&c->work, a, e);
	if (s == BIND_LEASE_BUSY)
		return 1;
	r = bind_worker_arm(&c->work.workers[0], e);
	if (r == 0)
		r = entry_sign(c, e);
	return r < 0 ? r : revive_settle(&c->work, n, REVIVE_ENDING_BROKEN, e);
}

/* The task's lock is held. */
static int restore_task(const struct bind_env *env, struct pci_address a, struct err *e)
{
	struct change c = {.work = BIND_TRANSACTION_NONE, .env = env};

	int r = restore_lock(&c, a, e);
	if (r == 0)
		r = restore_locked(&c, a, e);
	bind_transaction_end(&c.work);
	return r;
}

static bool entry_exists(const struct bind_env *env, struct pci_address a)
{
	struct revive_entry n;

	return revive_entry_read(env, a, &n, NULL) != -ENOENT;
}

/* Plans once to find the groups to lock, and again under their locks. */
static int change_locked(
	struct change *c, const struct revive_request *q, struct revive_plan *plan, struct err *e)
{
	struct revive_plan first = {0};

	int r = revive_plan(c->env, q, &first, e);
	if (r < 0)
		return r;
	r = groups_lock(c, &first, e);
	revive_plan_fini(&first);
	return r < 0 ? r : change_planned(c, q, plan, e);
}

int revive_device(const struct bind_env *env, const struct revive_request *q,
	const struct revive_listener *listener, struct revive_plan *plan, struct revive_report *ret,
	struct err *e)
{
	struct change c = {.work = BIND_TRANSACTION_NONE,
		.env = env,
		.plan = plan,
		.report = ret,
		.listener = listener};
	struct pci_address a = q->function.address;
	struct err own = {0};

	e = e ? e : &own;
	*ret = (struct revive_report){0};
	*plan = (struct revive_plan){0};
	cleanup_fd int lock = bind_lock_task(env, LOCK, e);
	if (lock < 0)
		return lock;
	/* An interrupted one first: its entry has the state that counts. */
	int r = entry_exists(env, a) ? restore_task(env, a, e) : 0;
	if (r == 1)
		return err_say(e, -EBUSY, "an earlier revival of it still waits in the kernel");
	if (r < 0)
		return r;
	r = change_locked(&c, q, plan, e);
	bind_transaction_end(&c.work);
	return r;
}

int revive_restore(const struct bind_env *env, struct pci_address a, struct err *e)
{
	struct err own = {0};

	e = e ? e : &own;
	cleanup_fd int lock = bind_lock_task(env, LOCK, e);
	return lock < 0 ? lock : restore_task(env, a, e);
}

static bool entry_name(const char *name, struct bind_lease *l)
{
	return pci_address_parse(name, &l->address) == 0;
}

static int entry_load(
	const struct bind_env *env, const char *boot, struct bind_lease *l, struct err *e)
{
	struct revive_entry n;

	int r = revive_entry_read(env, l->address, &n, e);
	if (r == 0)
		l->state = revive_entry_judge(env, &n, boot, l->text, sizeof(l->text));
	return r;
}

int revive_leases(
	const struct bind_env *env, struct bind_lease **ret, size_t *ret_count, struct err *e)
{
	static const struct bind_lease_folder folder = {"revive", entry_name, entry_load};

	return bind_lease_walk(env, &folder, ret, ret_count, e);
}
