/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: the entry in STATE/vfs is written before the first change and removed when nothing of
 * usher's is left, so that vfs_restore() can undo an interrupted change.
 *
 * A change is a list of steps: entry, number to 0, autoprobe off, the new number, check, settings
 * of the functions, autoprobe, entry. --dry-run prints the list. If a step fails, change_undo()
 * reads the present state, makes a list towards the number before, and runs that. The locks of all
 * groups that the functions are in are held throughout: nobody binds a function meanwhile.
 */
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/gate.h"
#include "bind/problem.h"
#include "host/host.h"
#include "vfs/entry.h"
#include "vfs/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 8

/* The state that a change aims at. */
struct goal {
	unsigned count;
	const char *interface; /* that has settings to set again; "" for none */
	bool probes_then; /* autoprobe while they are made */
	bool probes_after;
	bool forget; /* nothing is left to remember */
};

struct change {
	struct bind_transaction work;
	struct vfs_entry entry;
	struct bind_step steps[STEPS_MAX];
	size_t count;
	int error;
	bool restoring; /* an entry exists already */
	struct err late; /* settings that could not be restored: no reason to undo the rest */
};

static struct bind_step *step_add(struct change *c, enum bind_op op, const char *text)
{
	struct bind_step *s = &c->steps[c->count++];

	*s = (struct bind_step){.op = op, .address = c->entry.address};
	(void)snprintf(s->text, sizeof(s->text), "%s", text);
	return s;
}

static void add_journal(struct change *c, const struct bind_env *env, enum bind_journal_step state)
{
	struct bind_step *s = step_add(c, BIND_OP_JOURNAL, bind_journal_step_name(state));

	s->journal = state;
	if (vfs_entry_path(env, c->entry.address, s->path, sizeof(s->path)) < 0)
		c->error = -ENAMETOOLONG;
}

static void add_number(struct change *c, enum bind_op op, const char *attr, unsigned number)
{
	char text[12];

	(void)snprintf(text, sizeof(text), "%u", number);
	struct bind_step *s = step_add(c, op, text);
	if (pci_device_path(c->entry.address, attr, s->path, sizeof(s->path)) < 0)
		c->error = -ENAMETOOLONG;
}

/*
 * sriov_numvfs goes through 0: the kernel accepts no other number while functions exist (EBUSY).
 * Autoprobe is off before the first function exists, so that no host driver binds it.
 */
static void make_steps(struct change *c, const struct bind_env *env, unsigned now, bool probes,
	const struct goal *g)
{
	static const char autoprobe[] = "sriov_drivers_autoprobe";

	c->count = 0;
	add_journal(c, env, BIND_JOURNAL_CHANGING);
	if (now != g->count) {
		if (now)
			add_number(c, BIND_OP_WRITE, "sriov_numvfs", 0);
		if (g->count && probes != g->probes_then) {
			add_number(c, BIND_OP_WRITE, autoprobe, g->probes_then);
			probes = g->probes_then;
		}
		if (g->count)
			add_number(c, BIND_OP_WRITE, "sriov_numvfs", g->count);
		add_number(c, BIND_OP_VERIFY, "sriov_numvfs", g->count);
	}
	if (g->count && g->interface[0]) {
		char text[12];
		(void)snprintf(text, sizeof(text), "%u", g->count);
		struct bind_step *s = step_add(c, BIND_OP_SETTINGS, text);
		(void)snprintf(s->path, sizeof(s->path), "%s", g->interface);
	}
	if (probes != g->probes_after)
		add_number(c, BIND_OP_WRITE, autoprobe, g->probes_after);
	add_journal(c, env, g->forget ? BIND_JOURNAL_REMOVED : BIND_JOURNAL_CHANGED);
}

static struct goal goal_of(const struct vfs_request *q, const struct vfs_plan *p)
{
	return (struct goal){
		q->count, p->interface, false, q->count ? false : p->first_probes, !q->count};
}

int vfs_steps(const struct bind_env *env, const struct vfs_request *q, const struct vfs_plan *p,
	struct bind_step **ret, size_t *ret_count)
{
	struct change c = {.entry.address = p->device.address};
	const struct goal g = goal_of(q, p);

	*ret_count = 0;
	*ret = calloc(STEPS_MAX, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	if (p->now == q->count)
		return 0;
	make_steps(&c, env, p->now, p->probes, &g);
	if (c.error) {
		free(*ret);
		return c.error;
	}
	memcpy(*ret, c.steps, sizeof(c.steps));
	*ret_count = c.count;
	return 0;
}

static int step_journal(struct change *c, enum bind_journal_step state, struct err *e)
{
	struct vfs_entry *n = &c->entry;
	struct bind_entry signature = BIND_ENTRY_NONE;

	if (state == BIND_JOURNAL_REMOVED)
		return vfs_entry_remove(&c->work, n->address, e);
	n->changing = state == BIND_JOURNAL_CHANGING;
	if (n->changing)
		bind_worker_sign(&c->work.workers[0], &signature);
	n->writer = signature.writer;
	n->writer_start = signature.writer_start;
	int r = vfs_entry_write(&c->work, n, e);
	/* The entry of before still says how to get back. */
	return c->restoring && bind_journal_is_full(r) ? 0 : r;
}

/* drivers/pci/iov.c, sriov_numvfs_store() and sriov_enable(). */
static int count_explain(int code, const struct bind_step *s, struct err *e)
{
	char address[PCI_ADDRESS_TEXT];

	pci_address_format(s->address, address);
	switch (code) {
	case -ERANGE:
		return err_say(e, code, "%s: set %s virtual functions: it cannot have as many",
			address, s->text);
	case -ENOENT:
		err_say(e, code, "%s: set %s virtual functions: its driver makes none", address,
			s->text);
		err_hint(e, "use the vendor's own driver (vfio-pci: only with enable_sriov=1)");
		return code;
	case -EBUSY:
		return err_say(e, code,
			"%s: set %s virtual functions: others are there, or a driver holds on",
			address, s->text);
	case -ENOMEM:
		err_say(e, code,
			"%s: set %s virtual functions: no memory space or bus numbers for them",
			address, s->text);
		err_hint(e, "turn SR-IOV, ARI and above-4G decoding on in the firmware setup; "
			    "pci=realloc or pci=assign-busses may help");
		return code;
	default:
		return code;
	}
}

static int count_verify(const struct bind_env *env, const struct bind_step *s, struct err *e)
{
	char address[PCI_ADDRESS_TEXT], name[24], path[FILE_PATH_MAX], target[PCI_ADDRESS_TEXT];
	uint64_t wanted = 0, found = 0;

	pci_address_format(s->address, address);
	(void)num_parse(s->text, 10, UINT16_MAX, &wanted);
	int r = host_read_number(env->host, s->path, &found);
	if (r < 0)
		return err_set(e, r, "read %s", s->path);
	for (unsigned i = 0; found == wanted && i < wanted; i++) {
		(void)snprintf(name, sizeof(name), "virtfn%u", i);
		if (pci_device_path(s->address, name, path, sizeof(path)) < 0 ||
			host_link_name(env->host, path, target, sizeof(target)) < 0)
			found = i;
	}
	if (found == wanted)
		return 0;
	return err_say(e, -EIO,
		"%s: set %s virtual functions: the kernel accepted it, but there are %u", address,
		s->text, (unsigned)found);
}

static void step_settings(struct change *c, const struct bind_step *s)
{
	uint64_t count = 0;

	(void)num_parse(s->text, 10, UINT16_MAX, &count);
	(void)vfs_settings_restore(&c->work, &c->entry, (unsigned)count, &c->late);
}

static int steps_run(struct change *c, struct err *e)
{
	int r = c->error;

	for (size_t i = 0; r == 0 && i < c->count; i++) {
		const struct bind_step *s = &c->steps[i];
		if (s->op == BIND_OP_JOURNAL)
			r = step_journal(c, s->journal, e);
		else if (s->op == BIND_OP_VERIFY)
			r = count_verify(c->work.env, s, e);
		else if (s->op == BIND_OP_SETTINGS)
			step_settings(c, s);
		else
			r = bind_worker_write(&c->work.workers[0], s->path, s->text, e);
		if (r < 0 && s->op == BIND_OP_WRITE)
			r = count_explain(r, s, e);
	}
	return r;
}

/* Back to the number before the change, or to the first state if that is the same. */
static int count_restore(
	struct change *c, const struct vfs_plan *now, unsigned count, struct err *e)
{
	const struct vfs_entry *n = &c->entry;
	bool first = count == n->first;
	const struct goal g = {count, n->settings_count ? n->interface : "",
		first && n->first_probes, (first || !count) && n->first_probes, first || !count};

	make_steps(c, c->work.env, now->now, now->probes, &g);
	c->restoring = true;
	return steps_run(c, e);
}

static int restore_armed(
	struct change *c, const struct vfs_plan *now, unsigned count, struct err *e)
{
	int r = bind_worker_arm(&c->work.workers[0], e);

	return r < 0 ? r : count_restore(c, now, count, e);
}

/* Reads the present state; refusals do not matter. */
static int state_read(
	const struct bind_env *env, struct pci_address a, struct vfs_plan *ret, struct err *e)
{
	const struct vfs_request q = {{.address = a}, VFS_AS_IT_IS};

	return vfs_plan(env, &q, ret, e);
}

static void change_undo(struct change *c, struct err *e)
{
	struct vfs_plan now = VFS_PLAN_NONE;
	struct err why = {0};

	int r = state_read(c->work.env, c->entry.address, &now, &why);
	if (r == 0)
		r = count_restore(c, &now, c->entry.before, &why);
	vfs_plan_fini(&now);
	if (r == 0)
		return;
	size_t n = strlen(e->msg);
	(void)snprintf(e->msg + n, sizeof(e->msg) - n, "; not undone: %s", why.msg);
	if (!e->hint[0])
		err_hint(e, "usher restore");
}

/* An older entry of this boot takes precedence over the present state. */
static int fill_entry(struct change *c, const struct vfs_plan *p, unsigned count, struct err *e)
{
	struct vfs_entry *n = &c->entry, old;

	*n = (struct vfs_entry){.address = p->device.address,
		.vendor = p->device.vendor,
		.device = p->device.device,
		.first = p->now,
		.first_probes = p->probes,
		.before = p->now};
	int r = bind_boot_id(c->work.env->host, n->boot, e);
	if (r == 0 && vfs_entry_read(c->work.env, n->address, &old, NULL) == 0 &&
		strcmp(old.boot, n->boot) == 0) {
		n->first = old.first;
		n->first_probes = old.first_probes;
		/* An interrupted change left a number that nobody requested. */
		n->before = old.changing ? old.before : n->before;
	} else {
		old.changing = false;
	}
	if (r < 0)
		return r;
	if (!old.changing) {
		/* Functions may be removed even if their settings cannot be read. */
		r = vfs_settings_read(c->work.env->host, n, count ? e : NULL);
		return count ? r : 0;
	}
	memcpy(n->interface, old.interface, sizeof(n->interface));
	memcpy(n->settings, old.settings, sizeof(n->settings));
	n->settings_count = old.settings_count;
	return 0;
}

/* The groups of the device and of its functions; @ret is the caller's to free(). */
static int change_begin(
	struct change *c, const struct bind_env *env, const struct vfs_plan *p, struct err *e)
{
	size_t n = 0;
	int *groups = calloc(p->function_count + 1, sizeof(*groups));

	if (!groups) {
		err_set(e, -ENOMEM, "lock groups");
		return -ENOMEM;
	}
	if (p->device.group >= 0)
		groups[n++] = p->device.group;
	for (size_t i = 0; i < p->function_count; i++)
		if (p->functions[i].group >= 0)
			groups[n++] = p->functions[i].group;
	int r = bind_transaction_begin(&c->work, env, groups, n, e);
	free(groups);
	/* Its usher has ended, for we have the lock. Without this wait the entry looks busy. */
	struct vfs_entry old;
	if (r == 0 && vfs_entry_read(env, p->device.address, &old, NULL) == 0)
		bind_transaction_await(env, old.writer, old.writer_start);
	return r;
}

static int tell_late(const struct change *c, int r, struct err *e)
{
	if (r < 0 || !c->late.code)
		return r;
	*e = c->late;
	return err_in(e, e->code, "the virtual functions are there, but");
}

static int set_locked(
	struct change *c, const struct vfs_request *q, const struct vfs_plan *p, struct err *e)
{
	const struct goal g = goal_of(q, p);

	if (p->now == q->count)
		return 0;
	int r = fill_entry(c, p, q->count, e);
	if (r == 0)
		r = bind_worker_arm(&c->work.workers[0], e);
	if (r < 0)
		return r;
	make_steps(c, c->work.env, p->now, p->probes, &g);
	r = steps_run(c, e);
	/* A process that writes to a hanging device hangs as well. */
	if (r < 0 && r != -ETIMEDOUT)
		change_undo(c, e);
	return tell_late(c, r, e);
}

/* Plans again under the locks; @ret gets the final state. */
static int set_planned(struct change *c, const struct bind_env *env, const struct vfs_request *q,
	struct vfs_plan *ret, struct err *e)
{
	int r = vfs_plan(env, q, ret, e);

	if (r < 0)
		return r;
	r = ret->says.refusals ? bind_problem_refuse(&ret->says, e) : set_locked(c, q, ret, e);
	if (r < 0 || ret->now == q->count)
		return r;
	vfs_plan_fini(ret);
	return vfs_plan(env, q, ret, e);
}

int vfs_set(const struct bind_env *env, const struct vfs_request *q, struct vfs_plan *ret,
	struct err *e)
{
	struct change c = {.work = BIND_TRANSACTION_NONE};
	struct vfs_plan p = VFS_PLAN_NONE;
	struct err own = {0};

	*ret = VFS_PLAN_NONE;
	e = e ? e : &own;
	/* Planned once to find the groups to lock, and again under their locks. */
	int r = vfs_plan(env, q, &p, e);
	if (r == 0)
		r = change_begin(&c, env, &p, e);
	vfs_plan_fini(&p);
	if (r == 0)
		r = set_planned(&c, env, q, ret, e);
	bind_transaction_end(&c.work);
	return r;
}

/* Plans the removal of all functions, which is refused if one is in use. */
static int may_go(const struct bind_env *env, const struct vfs_entry *n, unsigned count,
	struct vfs_plan *ret, struct err *e)
{
	const struct vfs_request q = {{n->address, true, n->vendor, n->device}, count};

	int r = vfs_plan(env, &q, ret, e);
	return r < 0 ? r : ret->says.refusals ? bind_problem_refuse(&ret->says, e) : 0;
}

/* An entry about a device that is not there any more means nothing. */
static bool is_there(const struct bind_env *env, const struct vfs_entry *n)
{
	struct pci_device d = {.vendor = n->vendor, .device = n->device};

	return pci_device_peek(env->host, n->address, &d, NULL) != -ENODEV &&
	       d.vendor == n->vendor && d.device == n->device;
}

static int restore_locked(struct change *c, enum bind_manual manual, struct err *e)
{
	const struct bind_env *env = c->work.env;
	struct pci_address a = c->entry.address;
	struct vfs_plan now = VFS_PLAN_NONE;
	char boot[BIND_BOOT_MAX], text[1];
	struct err why = {0};

	int r = vfs_entry_read(env, a, &c->entry, &why);
	if (r == -ENOENT || r == -EBADMSG)
		return vfs_entry_remove(&c->work, a, e);
	if (r < 0)
		return err_say(e, r, "%s", why.msg);
	r = bind_boot_id(env->host, boot, e);
	if (r < 0)
		return r;
	enum bind_lease_state s = vfs_entry_judge(env, &c->entry, boot, text, sizeof(text));
	if (s == BIND_LEASE_VOID || !is_there(env, &c->entry))
		return vfs_entry_remove(&c->work, a, e);
	if (s == BIND_LEASE_BUSY || (s == BIND_LEASE_MANUAL && manual == BIND_MANUAL_STAYS))
		return 1;
	unsigned count = manual == BIND_MANUAL_RELEASE ? c->entry.first : c->entry.before;
	/* The entry of an interrupted change has the settings; without functions there are none. */
	if (s != BIND_LEASE_BROKEN && count)
		r = vfs_settings_read(env->host, &c->entry, e);
	r = r < 0 ? r : may_go(env, &c->entry, count, &now, e);
	r = r < 0 ? r : restore_armed(c, &now, count, e);
	vfs_plan_fini(&now);
	return tell_late(c, r, e);
}

int vfs_restore(
	const struct bind_env *env, struct pci_address a, enum bind_manual manual, struct err *e)
{
	struct change c = {.work = BIND_TRANSACTION_NONE, .entry.address = a};
	struct vfs_plan p = VFS_PLAN_NONE;

	int r = state_read(env, a, &p, e);
	if (r == 0)
		r = change_begin(&c, env, &p, e);
	vfs_plan_fini(&p);
	if (r == 0)
		r = restore_locked(&c, manual, e);
	bind_transaction_end(&c.work);
	return r;
}

static bool device_name(const char *name, struct bind_lease *l)
{
	return pci_address_parse(name, &l->address) == 0;
}

static int device_read(
	const struct bind_env *env, const char *boot, struct bind_lease *l, struct err *e)
{
	struct vfs_entry n;

	int r = vfs_entry_read(env, l->address, &n, e);
	if (r == 0)
		l->state = vfs_entry_judge(env, &n, boot, l->text, sizeof(l->text));
	return r;
}

int vfs_leases(
	const struct bind_env *env, struct bind_lease **ret, size_t *ret_count, struct err *e)
{
	static const struct bind_lease_folder folder = {"vfs", device_name, device_read};

	return bind_lease_walk(env, &folder, ret, ret_count, e);
}
