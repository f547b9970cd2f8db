/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: what usher cannot find out is a problem, never a pass.
 *
 * The gate collects every reason against a plan: for the target (id, bridge, no IOMMU), for the
 * group (lease, reserved regions, access of a user) and for each member (platform device, hanging
 * lock, denylist, virtual functions, users). A problem refuses, or refuses unless --allow names its
 * check, or warns; struct problem_kind says which, with the hint. Members that stay are asked only
 * whether they leave the group viable.
 *
 * The users of all members come from one view of the host (hold/), which the first member makes.
 */
#include "bind/gate.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/kernel_ops.h"
#include "bind/lease.h"
#include "bind/problem.h"
#include "bind/reset.h"
#include "hold/hold.h"
#include "host/host.h"
#include "pci/alive.h"
#include "pci/iommu.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* PCI Code and ID Assignment Specification, section 1; linux/pci_ids.h is not for user space. */
#define BASE_MEMORY 0x05
#define CLASS_HOST_BRIDGE 0x0600
#define CLASS_ISA_BRIDGE 0x0601
#define CLASS_PIC 0x0800
#define CLASS_IOAPIC 0x080010
#define CLASS_IOXAPIC 0x080020
#define CLASS_DMA 0x0801
#define CLASS_TIMER 0x0802
#define CLASS_RTC 0x0803
#define CLASS_IOMMU 0x0806
#define CLASS_SYSTEM_OTHER 0x0880
#define CLASS_PERFORMANCE 0x1101
#define CLASS_SMBUS 0x0c05
#define VENDOR_INTEL 0x8086

static bool file_is_readable(struct host *h, const char *path)
{
	char c;

	return h->ops->read(h, path, &c, 1) >= 0;
}

static int name_seen(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 1;
}

static int gate_iommu(struct bind_case *c, const char *address)
{
	static const struct problem_kind firmware = {"iommu", PROBLEM_REFUSES,
		"turn VT-d or AMD-Vi (IOMMU, SVM) on in the firmware setup"};
	static const struct problem_kind kernel = {"iommu", PROBLEM_REFUSES,
		"boot with intel_iommu=on (Intel) and without iommu=off or amd_iommu=off"};
	static const struct problem_kind device = {"iommu", PROBLEM_REFUSES, NULL};
	static const char *const tables[] = {"DMAR", "IVRS", "IORT", "VIOT"};
	struct host *h = c->env->host;
	char path[FILE_PATH_MAX];

	if (h->ops->list(h, "/sys/class/iommu", name_seen, NULL) == 1)
		return bind_problem_add(c->plan, c->q, &device, address,
			"is behind no IOMMU, though this host has one");
	for (size_t i = 0; i < COUNT(tables); i++)
		if (file_path(path, sizeof(path), "/sys/firmware/acpi/tables/%s", tables[i]) == 0 &&
			file_is_readable(h, path))
			return bind_problem_add(c->plan, c->q, &kernel, address,
				"the kernel does not use the IOMMU that the firmware describes "
				"(%s)",
				tables[i]);
	return bind_problem_add(c->plan, c->q, &firmware, address,
		"the firmware describes no IOMMU: neither a DMAR nor an IVRS table");
}

int bind_gate_target(struct bind_case *c, const struct bind_target *t, const struct pci_device *d)
{
	static const struct problem_kind id = {"id", PROBLEM_REFUSES,
		"addresses move when cards are added: find the device by its id again"};
	static const struct problem_kind bridge = {
		"bridge", PROBLEM_REFUSES, "name a device behind it"};
	char address[PCI_ADDRESS_TEXT];

	pci_address_format(d->address, address);
	if (t->has_id && (t->vendor != d->vendor || t->device != d->device)) {
		int r = bind_problem_add(c->plan, c->q, &id, address,
			"expected %04x:%04x, found %04x:%04x", t->vendor, t->device, d->vendor,
			d->device);
		if (r < 0)
			return r;
	}
	if (d->is_bridge) {
		int r = bind_problem_add(c->plan, c->q, &bridge, address,
			"is a PCI bridge, which stays with its driver");
		if (r < 0)
			return r;
	}
	return pci_iommu_isolates(c->env->host, d->group) ? 0 : gate_iommu(c, address);
}

/*
 * The kernel offers `bus` only below a bridge. Behind a port the chipset's functions end: what is
 * there sits in a slot, or is soldered like one.
 */
static bool is_behind_port(const struct pci_device *d)
{
	return d->has_parent || strstr(d->reset_method, "bus");
}

/* Registers of the processor and the chipset that no driver resets, such as Intel's uncore. */
static bool is_chipset_register(const struct pci_device *d)
{
	uint32_t kind = d->class >> 8;

	return (kind == CLASS_SYSTEM_OTHER || kind == CLASS_PERFORMANCE) && !d->reset_method[0];
}

bool bind_is_platform(const struct pci_device *d)
{
	uint32_t kind = d->class >> 8;

	/* Their work is to translate and deliver for others, wherever they are. */
	if (kind == CLASS_IOMMU || d->class == CLASS_IOAPIC || d->class == CLASS_IOXAPIC)
		return true;
	if (is_behind_port(d))
		return false;
	switch (kind) {
	case CLASS_HOST_BRIDGE:
	case CLASS_ISA_BRIDGE:
	case CLASS_PIC:
	case CLASS_DMA:
	case CLASS_TIMER:
	case CLASS_RTC:
	case CLASS_SMBUS:
		return true;
	default:
		return kind >> 8 == BASE_MEMORY || is_chipset_register(d);
	}
}

bool bind_is_dummy(const struct pci_device *d)
{
	uint32_t kind = d->class >> 8;
	bool idle = !d->driver[0] || strcmp(d->driver, "vfio-pci") == 0;

	return idle && bind_is_platform(d) &&
	       (kind == CLASS_HOST_BRIDGE || kind >> 8 == BASE_MEMORY || is_chipset_register(d));
}

static const char *platform_name(uint32_t class)
{
	switch (class >> 8) {
	case CLASS_HOST_BRIDGE:
		return "a host bridge";
	case CLASS_ISA_BRIDGE:
		return "the ISA bridge, which carries the platform";
	case CLASS_IOMMU:
		return "an IOMMU";
	case CLASS_SMBUS:
		return "the SMBus controller, which reaches memory modules and sensors";
	case CLASS_PIC:
		return "an interrupt controller";
	case CLASS_DMA:
		return "the DMA controller";
	case CLASS_TIMER:
	case CLASS_RTC:
		return "a clock";
	case CLASS_SYSTEM_OTHER:
	case CLASS_PERFORMANCE:
		return "a register block of the chipset";
	default:
		return "a memory controller";
	}
}

/*
 * Host bridges and memory controllers often are dummies without a driver, in one group with a
 * useful device: AMD root ports share a group with such a bridge, Intel's xHCI with the chipset's
 * SRAM. Such a group is viable without them, so a user may allow it. A device with a driver, or
 * one that can do harm by itself, is never allowed.
 */
static int gate_platform(struct bind_case *c, const struct pci_device *d, const char *address)
{
	static const struct problem_kind never = {
		"platform", PROBLEM_REFUSES, "no device of this group can be lent"};
	static const struct problem_kind dummy = {"platform", PROBLEM_LIFTABLE,
		"--allow=platform takes the others and leaves it without a driver, as it is"};

	if (!bind_is_platform(d))
		return 0;
	return bind_problem_add(c->plan, c->q, bind_is_dummy(d) ? &dummy : &never, address,
		"is %s of this host", platform_name(d->class));
}

/* drivers/vfio/pci/vfio_pci.c, vfio_pci_dev_in_denylist(): DMA that escapes, or hangs the host. */
bool bind_denylisted(const struct pci_device *d)
{
	static const uint16_t intel[] = {
		0x0435, 0x0443, /* QAT DH895xCC and its VF */
		0x19e2, 0x19e3, /* QAT C3xxx */
		0x37c8, 0x37c9, /* QAT C62x */
		0x0b25, 0x0cfe, /* DSA and IAX of Sapphire Rapids */
	};

	for (size_t i = 0; d->vendor == VENDOR_INTEL && i < COUNT(intel); i++)
		if (d->device == intel[i])
			return true;
	return false;
}

static int gate_denylist(struct bind_case *c, const struct pci_device *d, const char *address)
{
	static const struct problem_kind deny = {"denylist", PROBLEM_REFUSES,
		"modprobe vfio-pci disable_denylist=1 lifts it, for trusted users of the device "
		"only"};
	char value[8];

	if (!bind_denylisted(d) ||
		(host_read_text(c->env->host, "/sys/module/vfio_pci/parameters/disable_denylist",
			 value, sizeof(value)) == 1 &&
			value[0] == 'Y'))
		return 0;
	return bind_problem_add(c->plan, c->q, &deny, address,
		"vfio-pci denies %04x:%04x: this device cannot be lent safely", d->vendor,
		d->device);
}

static int gate_sriov(struct bind_case *c, const struct pci_device *d, const char *address)
{
	static const struct problem_kind sriov = {"sriov", PROBLEM_REFUSES,
		"lend its virtual functions, or remove them: usher vfs ADDRESS 0"};
	char path[FILE_PATH_MAX], name[PCI_NAME_MAX];
	uint64_t count = 0;

	/* The kernel shows the number under the device's lock, which takes a process to read. */
	int r = pci_device_path(d->address, "virtfn0", path, sizeof(path));
	if (r < 0 || host_link_name(c->env->host, path, name, sizeof(name)) < 0)
		return r;
	r = pci_device_path(d->address, "sriov_numvfs", path, sizeof(path));
	if (r < 0 || host_read_number(c->env->host, path, &count) < 0 || !count)
		return r;
	return bind_problem_add(c->plan, c->q, &sriov, address,
		"has %" PRIu64 " virtual functions: vfio-pci does not take such a device (EBUSY)",
		count);
}

static bool disk_is_listed(const struct bind_plan *p, const char *name)
{
	for (size_t i = 0; i < p->disk_count; i++)
		if (strcmp(p->disks[i].name, name) == 0)
			return true;
	return false;
}

/* What bind_take() holds until the unbind: see bind/exclusive.h. */
static int gate_disks(struct bind_case *c, const struct pci_device *d, const struct holds *h)
{
	struct bind_plan *p = c->plan;
	struct bind_disk *list =
		reallocarray(p->disks, p->disk_count + h->disk_count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	p->disks = list;
	for (size_t i = 0; i < h->disk_count; i++) {
		/* Two controllers of one NVMe subsystem have the same disk. */
		if (disk_is_listed(p, h->disks[i].text))
			continue;
		struct bind_disk *disk = &list[p->disk_count++];
		disk->address = d->address;
		(void)snprintf(disk->name, sizeof(disk->name), "%s", h->disks[i].text);
	}
	return 0;
}

/* The users of the group's devices. A view of everything is good for every group. */
static int gate_view(struct bind_case *c, struct hold_view **ret)
{
	const bool unopened = c->is_unopened && !c->view;
	struct hold_view **view = unopened ? &c->unopened : &c->view;
	enum hold_depth depth = HOLD_PATIENT;
	int r = 0;

	/* Who only looks waits for nobody, nor does who lifts the check. */
	if (c->q->survey || c->q->is_shown_only ||
		bind_allows(c->q->allow, c->q->allow_count, "fd"))
		depth = HOLD_EVERYTHING;
	if (unopened)
		depth = HOLD_UNOPENED;
	if (!*view)
		r = hold_view_new(c->env->host, depth, view, c->e);
	*ret = *view;
	return r;
}

static int gate_holds(struct bind_case *c, const struct pci_device *d, const char *address)
{
	struct hold_view *view = NULL;
	struct holds holds = {0};
	char fix[HOLD_FIX_MAX];

	int r = gate_view(c, &view);
	if (r == 0)
		r = hold_find_in(view, d, &holds, c->e);
	for (size_t i = 0; r == 0 && i < holds.count; i++) {
		const struct hold *o = &holds.list[i];
		/* These take several commands, in order. */
		if (!o->unsure && (strcmp(o->check, "fd") == 0 || strcmp(o->check, "gpu") == 0))
			(void)snprintf(fix, sizeof(fix),
				"usher check %s: it lists what to stop, "
				"in order",
				address);
		else
			hold_fix(o, fix, sizeof(fix));
		const struct problem_kind kind = {
			o->check, o->absolute ? PROBLEM_REFUSES : PROBLEM_LIFTABLE, fix};
		r = bind_problem_add(c->plan, c->q, &kind, address, "%s: %s", o->object, o->text);
		if (r == 0)
			c->plan->problems[c->plan->problem_count - 1].unsure = o->unsure;
	}
	if (r == 0 && holds.disk_count)
		r = gate_disks(c, d, &holds);
	holds_fini(&holds);
	return r;
}

static int gate_reset(struct bind_case *c, const struct bind_group *g, const struct bind_member *m)
{
	static const struct problem_kind reset = {"no-reset", PROBLEM_WARNS,
		"it stays on its VFIO driver at the end, unless --allow=no-reset"};
	char address[PCI_ADDRESS_TEXT];
	size_t n = 0;

	struct pci_address *taken = calloc(g->count, sizeof(*taken));
	if (!taken)
		return -ENOMEM;
	for (size_t i = 0; i < g->count; i++)
		if (g->members[i].act != BIND_ACT_STAYS)
			taken[n++] = g->members[i].device.address;
	int r = 0;
	if (!bind_reset_works(c->env->host, &m->device, taken, n))
		r = bind_problem_add(c->plan, c->q, &reset,
			pci_address_format(m->device.address, address),
			"has no working reset: its state survives the guest");
	free(taken);
	return r;
}

bool bind_on_vfio(struct host *h, const struct pci_device *d)
{
	char path[FILE_PATH_MAX], target[2];

	if (strcmp(d->driver, "vfio-pci") == 0)
		return true;
	return d->driver[0] && pci_device_path(d->address, "vfio-dev", path, sizeof(path)) == 0 &&
	       h->ops->link(h, path, target, sizeof(target)) == -EINVAL;
}

/* Drivers that leave a group viable: vfio_dev_viable() of the kernel. A bridge keeps its own. */
static bool is_harmless(struct host *h, const struct pci_device *d)
{
	return d->is_bridge || !d->driver[0] || strcmp(d->driver, "pci-stub") == 0 ||
	       bind_on_vfio(h, d);
}

bool bind_gate_viable(struct host *h, const struct bind_group *g)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->members[i].act == BIND_ACT_STAYS && !is_harmless(h, &g->members[i].device))
			return false;
	return true;
}

/* With `only`: a sibling that stays must leave the group viable. */
static int gate_sibling(struct bind_case *c, const struct pci_device *d, const char *address)
{
	static const struct problem_kind member = {
		"member", PROBLEM_REFUSES, "leave out --only to take it along, or unbind it first"};

	if (is_harmless(c->env->host, d))
		return 0;
	return bind_problem_add(c->plan, c->q, &member, address,
		"shares the group and is on %s, so it would have to come along", d->driver);
}

/* A write to such a device would hang as well (host/locked.h). */
static int gate_lock(struct bind_case *c, const struct pci_device *d, const char *address)
{
	char fix[128];
	const struct problem_kind locked = {"locked", PROBLEM_REFUSES, fix};

	if (!d->is_locked)
		return 0;
	(void)snprintf(fix, sizeof(fix),
		"end the process that uses it; what the kernel logged: usher show %s", address);
	return bind_problem_add(c->plan, c->q, &locked, address,
		"the kernel keeps its device lock and does not return");
}

/* A read wakes a sleeping device; one that hangs may have no driver, and each read times out. */
static bool is_awake(struct host *h, const struct pci_device *d)
{
	char path[FILE_PATH_MAX], status[32];

	return d->driver[0] &&
	       pci_device_path(d->address, "power/runtime_status", path, sizeof(path)) == 0 &&
	       host_read_text(h, path, status, sizeof(status)) > 0 && strcmp(status, "active") == 0;
}

/* Whatever is done to a device that does not answer hangs, or times out, or is done to nothing. */
static int gate_dead(struct bind_case *c, const struct pci_device *d, const char *address)
{
	char fix[64];
	const struct problem_kind dead = {"dead", PROBLEM_REFUSES, fix};
	int r = d->seems_dead ? 1 : 0;

	if (!r && (!c->q->survey || is_awake(c->env->host, d)))
		r = pci_device_is_dead(c->env->host, d);
	(void)snprintf(fix, sizeof(fix), "usher revive %s", address);
	if (r == -ETIMEDOUT)
		return bind_problem_add(c->plan, c->q, &dead, address,
			"the kernel does not return from reading its configuration space");
	if (r != 1)
		return 0;
	return bind_problem_add(c->plan, c->q, &dead, address,
		"does not answer: it dropped off the bus, or is powered off");
}

static int gate_member(struct bind_case *c, const struct bind_member *m)
{
	char address[PCI_ADDRESS_TEXT];
	const struct pci_device *d = &m->device;

	pci_address_format(d->address, address);
	if (d->is_bridge)
		return 0;
	int r = gate_platform(c, d, address);
	if (r == 0)
		r = gate_lock(c, d, address);
	if (r < 0)
		return r;
	if (m->act == BIND_ACT_STAYS)
		return bind_is_platform(d) ? 0 : gate_sibling(c, d, address);
	r = d->is_locked ? 0 : gate_dead(c, d, address);
	if (r == 0 && m->act == BIND_ACT_TAKE) {
		r = gate_denylist(c, d, address);
		if (r == 0)
			r = gate_sriov(c, d, address);
	}
	return r < 0 ? r : gate_holds(c, d, address);
}

/* A user that can open a group can use every device in it that is on VFIO. */
static int gate_access(struct bind_case *c, const struct bind_group *g)
{
	static const struct problem_kind kind = {"user", PROBLEM_LIFTABLE,
		"if the user may have it, name it as well, or use --allow=user"};
	char address[PCI_ADDRESS_TEXT];
	int r = 0;

	for (size_t i = 0; r == 0 && bind_access_is(&c->q->access) && i < g->count; i++) {
		const struct bind_member *m = &g->members[i];
		const struct pci_device *d = &m->device;
		if (m->is_target || d->is_bridge ||
			(m->act == BIND_ACT_STAYS && !bind_on_vfio(c->env->host, d)))
			continue;
		r = bind_problem_add(c->plan, c->q, &kind, pci_address_format(d->address, address),
			"the user would gain access to it, unrequested: it shares group %d",
			g->number);
	}
	return r;
}

/* Lines "START END TYPE". The firmware does DMA to `direct` regions; VFIO refuses the group. */
static int gate_reserved(struct bind_case *c, int group)
{
	static const struct problem_kind kind = {"reserved", PROBLEM_LIFTABLE,
		"look for a setting or an update of the firmware that drops the RMRR"};
	char path[FILE_PATH_MAX], object[32], text[4096];
	char *save = NULL;

	int r = file_path(
		path, sizeof(path), "/sys/kernel/iommu_groups/%d/reserved_regions", group);
	if (r < 0 || host_read_text(c->env->host, path, text, sizeof(text)) < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *type = strrchr(line, ' ');
		if (!type || strcmp(type, " direct") != 0)
			continue;
		(void)snprintf(object, sizeof(object), "group %d", group);
		return bind_problem_add(c->plan, c->q, &kind, object,
			"the firmware keeps memory mapped for it (%.48s): VFIO refuses the group",
			line);
	}
	return 0;
}

int bind_gate_resets(struct bind_case *c, const struct bind_group *g)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < g->count; i++)
		if (g->members[i].act != BIND_ACT_STAYS)
			r = gate_reset(c, g, &g->members[i]);
	return r;
}

/*
 * Whether all that the plan wants is on VFIO, and nobody has the group open. To ask is to open it,
 * and whoever opens it at that moment fails. So only the holder of its lock asks, and only when no
 * other owner of it is known.
 */
static bool group_is_unopened(const struct bind_case *c, const struct bind_group *g)
{
	if (!c->q->is_locked || c->plan->refusals || !c->env->kernel->group_unopened)
		return false;
	for (size_t i = 0; i < g->count; i++)
		if (g->members[i].act == BIND_ACT_TAKE)
			return false;
	return c->env->kernel->group_unopened(g->number);
}

int bind_gate_group(struct bind_case *c, const struct bind_group *g)
{
	int r = bind_gate_lease(c, g->number);

	if (r < 0)
		return r;
	r = gate_reserved(c, g->number);
	if (r < 0)
		return r;
	r = gate_access(c, g);
	c->is_unopened = r == 0 && group_is_unopened(c, g);
	for (size_t i = 0; r == 0 && i < g->count; i++)
		r = gate_member(c, &g->members[i]);
	return r;
}
