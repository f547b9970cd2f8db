/* SPDX-License-Identifier: MIT */
#include "vfs/plan.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/gate.h"
#include "bind/lease.h"
#include "bind/problem.h"
#include "bind/stuck_writer.h"
#include "hold/hold.h"
#include "host/host.h"
#include "vfs/entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VFS_MAX 65535 /* TotalVFs has 16 bits: PCIe Base Specification, SR-IOV capability */

void vfs_plan_fini(struct vfs_plan *p)
{
	free(p->functions);
	bind_plan_fini(&p->says);
	*p = VFS_PLAN_NONE;
}

/* State of one call to vfs_plan(); the gate adds its problems to the plan's list. */
struct vfs_case {
	struct bind_case gate;
	struct vfs_request q;
	struct vfs_plan *plan;
	char address[PCI_ADDRESS_TEXT];
};

static int read_number(struct host *h, struct pci_address a, const char *attr, uint64_t *ret)
{
	char path[FILE_PATH_MAX];

	int r = pci_device_path(a, attr, path, sizeof(path));
	return r < 0 ? r : host_read_number(h, path, ret);
}

/* virtfn0, virtfn1, …: links to the virtual functions. */
static int read_functions(struct vfs_case *c, struct err *e)
{
	struct host *h = c->gate.env->host;
	struct vfs_plan *p = c->plan;
	char attr[24], path[FILE_PATH_MAX], name[PCI_ADDRESS_TEXT];
	struct pci_address a = {0};

	p->functions = calloc(p->now ? p->now : 1, sizeof(*p->functions));
	if (!p->functions)
		return err_set(e, -ENOMEM, "%s: list its virtual functions", c->address);
	for (unsigned i = 0; i < p->now; i++) {
		(void)snprintf(attr, sizeof(attr), "virtfn%u", i);
		int r = pci_device_path(p->device.address, attr, path, sizeof(path));
		if (r == 0)
			r = host_link_name(h, path, name, sizeof(name));
		if (r >= 0)
			r = pci_address_parse(name, &a);
		if (r < 0)
			return err_set(e, r, "%s: find its virtual function %u", c->address, i);
		r = pci_device_peek(h, a, &p->functions[p->function_count], e);
		if (r < 0)
			return r;
		p->function_count++;
	}
	return 0;
}

static int read_state(struct vfs_case *c)
{
	struct host *h = c->gate.env->host;
	struct vfs_plan *p = c->plan;
	struct pci_address a = p->device.address;
	char boot[BIND_BOOT_MAX];
	struct vfs_entry n;
	struct err why = {0};
	uint64_t total = 0, now = 0, probes = 1;

	if (read_number(h, a, "sriov_totalvfs", &total) < 0 || total > VFS_MAX)
		total = 0;
	if (read_number(h, a, "sriov_numvfs", &now) < 0 || now > VFS_MAX)
		now = 0;
	if (read_number(h, a, "sriov_drivers_autoprobe", &probes) < 0)
		probes = 1;
	p->total = (unsigned)total;
	p->now = (unsigned)now;
	p->probes = p->first_probes = probes != 0;
	if (c->q.count == VFS_AS_IT_IS)
		c->q.count = p->now;
	/* The boot is asked for where there is an entry: snapshots without one need none. */
	if (vfs_entry_read(c->gate.env, a, &n, &why) == 0) {
		int r = bind_boot_id(h, boot, c->gate.e);
		if (r < 0)
			return r;
		if (strcmp(n.boot, boot) == 0)
			p->first_probes = n.first_probes;
	}
	return read_functions(c, c->gate.e);
}

static int problem_add(struct vfs_case *c, const struct problem_kind *kind, const char *text)
{
	return bind_problem_add(&c->plan->says, c->gate.q, kind, c->address, "%s", text);
}

/* What sriov_numvfs_store() would refuse, in words and before anything is touched. */
static int gate_ability(struct vfs_case *c)
{
	static const struct problem_kind none = {"sriov", PROBLEM_REFUSES,
		"look for SR-IOV in the firmware setup and in the device's own configuration"};
	static const struct problem_kind many = {"count", PROBLEM_REFUSES, NULL};
	static const struct problem_kind driver = {"driver", PROBLEM_REFUSES,
		"the driver of the physical function makes the virtual ones: bind it first"};
	struct vfs_plan *p = c->plan;
	char text[96];

	if (!p->total)
		return problem_add(c, &none, "has no virtual functions to offer");
	if (c->q.count > p->total) {
		(void)snprintf(
			text, sizeof(text), "can have at most %u virtual functions", p->total);
		return problem_add(c, &many, text);
	}
	if (!p->device.driver[0] && c->q.count != p->now)
		return problem_add(c, &driver, "has no driver");
	return 0;
}

static int gate_entry(struct vfs_case *c)
{
	static const struct problem_kind broken = {
		"lease", PROBLEM_WARNS, "the entry is taken over, with what it remembers"};
	static const struct problem_kind corrupt = {
		"journal", PROBLEM_REFUSES, "usher restore removes the entry"};
	char boot[BIND_BOOT_MAX], text[160], hint[128];
	struct vfs_entry n;
	struct err why = {0};

	int r = vfs_entry_read(c->gate.env, c->plan->device.address, &n, &why);
	if (r == -ENOENT)
		return 0;
	if (r == -EBADMSG)
		return problem_add(c, &corrupt, why.msg);
	if (r < 0)
		return err_say(c->gate.e, r, "%s", why.msg);
	r = bind_boot_id(c->gate.env->host, boot, c->gate.e);
	if (r < 0)
		return r;
	enum bind_lease_state s = vfs_entry_judge(c->gate.env, &n, boot, text, sizeof(text));
	const struct problem_kind busy = {
		"lease", PROBLEM_REFUSES, bind_stuck_writer_hint(n.writer, hint, sizeof(hint))};
	if (s == BIND_LEASE_BUSY)
		return problem_add(c, &busy, text);
	return s == BIND_LEASE_BROKEN ? problem_add(c, &broken, text) : 0;
}

/* A virtual function that usher has bound, or that another tool has put on VFIO. */
static int gate_lent(struct vfs_case *c, const struct pci_device *d, const char *address)
{
	static const struct problem_kind lease = {
		"lease", PROBLEM_REFUSES, "usher release gives it back; then remove it"};
	const struct bind_env *env = c->gate.env;
	struct bind_entry n = BIND_ENTRY_NONE;
	char boot[BIND_BOOT_MAX], text[160] = "";

	bool entry = d->group >= 0 && bind_journal_read(env, d->group, &n, NULL) == 0;
	int r = entry ? bind_boot_id(env->host, boot, c->gate.e) : 0;
	if (r == 0 && entry &&
		bind_lease_judge(env, &n, boot, text, sizeof(text)) == BIND_LEASE_VOID)
		text[0] = '\0';
	bind_entry_fini(&n);
	if (r < 0)
		return r;
	if (text[0])
		return bind_problem_add(&c->plan->says, c->gate.q, &lease, address,
			"virtual function of %s: %s", c->address, text);
	if (bind_on_vfio(env->host, d))
		return bind_problem_add(&c->plan->says, c->gate.q, &lease, address,
			"virtual function of %s: is bound to %s", c->address, d->driver);
	return 0;
}

static int gate_held(struct vfs_case *c, const struct pci_device *d, const char *address)
{
	struct holds holds = {0};

	int r = c->gate.view
			? 0
			: hold_view_new(c->gate.env->host, HOLD_PATIENT, &c->gate.view, c->gate.e);
	if (r == 0)
		r = hold_find_in(c->gate.view, d, &holds, c->gate.e);
	for (size_t i = 0; r == 0 && i < holds.count; i++) {
		const struct hold *o = &holds.list[i];
		const struct problem_kind kind = {
			o->check, PROBLEM_REFUSES, "end what uses it first"};
		r = bind_problem_add(&c->plan->says, c->gate.q, &kind, address,
			"virtual function of %s: %s: %s", c->address, o->object, o->text);
	}
	holds_fini(&holds);
	return r;
}

static int gate_functions(struct vfs_case *c)
{
	char address[PCI_ADDRESS_TEXT];
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->plan->function_count; i++) {
		const struct pci_device *d = &c->plan->functions[i];
		pci_address_format(d->address, address);
		r = gate_lent(c, d, address);
		if (r == 0)
			r = gate_held(c, d, address);
	}
	return r;
}

static int name_seen(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 1;
}

/*
 * The driver loses its settings of the virtual functions with them; usher restores these. For a
 * device with two ports behind one function it is unknown which function belongs to which.
 */
static int find_settings(struct vfs_case *c)
{
	static const struct problem_kind kind = {
		"settings", PROBLEM_WARNS, "see 'ip link show' for what was set, and set it again"};
	struct host *h = c->gate.env->host;
	struct pci_address a = c->plan->device.address;
	char path[FILE_PATH_MAX];

	if (!c->plan->now || !c->q.count)
		return 0;
	bool found = bind_vf_settings_interface(h, a, c->plan->interface) == 0;
	if (found && c->plan->now <= VFS_SETTINGS_MAX)
		return 0;
	int r = pci_device_path(a, "net", path, sizeof(path));
	if (r < 0 || h->ops->list(h, path, name_seen, NULL) != 1)
		return r;
	return problem_add(c, &kind,
		found ? "has more virtual functions than usher can save settings of"
		      : "MAC addresses and VLANs go: it has more than one interface");
}

static int plan_gate(struct vfs_case *c)
{
	const struct pci_device *d = &c->plan->device;

	int r = bind_gate_target(&c->gate, &c->q.function, d);
	if (r == 0 && d->group >= 0)
		r = bind_gate_lease(&c->gate, d->group);
	if (r < 0)
		return r;
	r = gate_ability(c);
	if (r < 0)
		return r;
	r = gate_entry(c);
	if (r < 0 || c->q.count == c->plan->now)
		return r;
	r = gate_functions(c);
	return r < 0 || c->plan->says.refusals ? r : find_settings(c);
}

int vfs_plan(const struct bind_env *env, const struct vfs_request *q, struct vfs_plan *ret,
	struct err *e)
{
	struct vfs_plan p = VFS_PLAN_NONE;
	const struct bind_request nothing = {.access = BIND_ACCESS_NONE};
	struct vfs_case c = {
		.gate = {.env = env, .q = &nothing, .plan = &p.says, .e = e}, .q = *q, .plan = &p};

	pci_address_format(q->function.address, c.address);
	p.device.address = q->function.address;
	int r = pci_device_peek(env->host, q->function.address, &p.device, e);
	if (r == -ENODEV) {
		err_hint(e, "usher list");
		return r;
	}
	r = r < 0 ? r : read_state(&c);
	if (r == 0 && !p.says.refusals)
		r = plan_gate(&c);
	hold_view_free(c.gate.view);
	if (r < 0) {
		vfs_plan_fini(&p);
		return e && e->code == r ? r : err_set(e, r, "plan");
	}
	*ret = p;
	return 0;
}
