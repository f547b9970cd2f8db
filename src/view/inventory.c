/* SPDX-License-Identifier: MIT */
#include "view/inventory.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "bind/bind.h"
#include "bind/gate.h"
#include "host/host.h"
#include "pci/alive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * How it works. Invariant: a state never promises more than `usher bind` would do.
 *
 * Each device is first judged alone: bridges and parts of the host by their class, others by their
 * holds (src/hold). Then the members of each group are judged together, because usher binds a group
 * as a whole: one member in use makes every free member INVENTORY_GROUP. At last the journal tells
 * which groups usher has bound, and their owners.
 *
 * Everything is read once, here. Filters, columns and writers work on the result.
 */

const char *inventory_state_name(enum inventory_state s)
{
	static const char *const names[] = {
		[INVENTORY_FREE] = "free",
		[INVENTORY_MAYBE] = "free?",
		[INVENTORY_READY] = "ready",
		[INVENTORY_LENT] = "lent",
		[INVENTORY_BUSY] = "busy",
		[INVENTORY_DEAD] = "dead",
		[INVENTORY_GROUP] = "group",
		[INVENTORY_BRIDGE] = "bridge",
		[INVENTORY_HOST] = "host",
		[INVENTORY_NO_IOMMU] = "-",
	};

	return names[s];
}

/* The state of a device without regard to its group. */
static enum inventory_state judge_device(struct host *h, const struct inventory_entry *x)
{
	enum inventory_state s = INVENTORY_FREE;

	if (x->device.is_bridge)
		return INVENTORY_BRIDGE;
	if (bind_is_platform(&x->device))
		return INVENTORY_HOST;
	for (size_t i = 0; i < x->holds.count; i++) {
		const struct hold *o = &x->holds.list[i];

		if (!o->unsure && strcmp(o->check, "vfio") != 0)
			return x->device.seems_dead ? INVENTORY_DEAD : INVENTORY_BUSY;
		if (!o->unsure)
			s = INVENTORY_LENT;
		else if (s == INVENTORY_FREE)
			s = INVENTORY_MAYBE;
	}
	if (s == INVENTORY_LENT)
		return s;
	if (x->device.seems_dead)
		return INVENTORY_DEAD;
	return bind_on_vfio(h, &x->device) ? INVENTORY_READY : s;
}

/*
 * The group is bound as a whole: one member in use prevents it. A host bridge or memory controller
 * without a driver does not, because the group is viable with it (bind/gate.c).
 */
static bool keeps_group(const struct inventory_entry *x)
{
	if (x->state == INVENTORY_HOST)
		return !bind_is_dummy(&x->device);
	return x->state == INVENTORY_BUSY || x->state == INVENTORY_DEAD;
}

static int group_order(const void *a, const void *b)
{
	const struct inventory_entry *x = *(struct inventory_entry *const *)a;
	const struct inventory_entry *y = *(struct inventory_entry *const *)b;

	if (x->device.group != y->device.group)
		return x->device.group < y->device.group ? -1 : 1;
	return pci_address_compare(x->device.address, y->device.address);
}

/*
 * VFIO opens a group only if each member has a VFIO driver, pci-stub, or none; bridges keep theirs.
 * Ref: vfio_dev_viable(), drivers/vfio/group.c
 */
static bool is_viable(struct host *h, struct inventory_entry **members, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct pci_device *d = &members[i]->device;

		if (d->driver[0] && !d->is_bridge && !bind_on_vfio(h, d) &&
			strcmp(d->driver, "pci-stub") != 0)
			return false;
	}
	return true;
}

/* Applies the state of the group to the members that nothing uses. */
static void judge_group(
	struct host *h, struct inventory *v, struct inventory_entry **members, size_t count)
{
	bool isolated = v->iommu == PCI_IOMMU_ON && members[0]->device.group != PCI_GROUP_NONE;
	const struct inventory_entry *keeper = NULL;

	for (size_t i = 0; i < count && !keeper; i++)
		if (keeps_group(members[i]))
			keeper = members[i];
	for (size_t i = 0; i < count; i++) {
		struct inventory_entry *x = members[i];

		if (x->state == INVENTORY_READY && !(isolated && is_viable(h, members, count)))
			x->state = INVENTORY_FREE;
		if (x->state != INVENTORY_FREE && x->state != INVENTORY_MAYBE)
			continue;
		if (!isolated) {
			x->state = INVENTORY_NO_IOMMU;
		} else if (keeper) {
			x->sibling = keeper;
			x->state = INVENTORY_GROUP;
		}
	}
}

static int judge_groups(struct host *h, struct inventory *v, struct err *e)
{
	cleanup_free struct inventory_entry **order = calloc(v->count + 1, sizeof(*order));

	if (!order)
		return err_set(e, -ENOMEM, "list PCI devices");
	for (size_t i = 0; i < v->count; i++)
		order[i] = &v->list[i];
	qsort(order, v->count, sizeof(struct inventory_entry *), group_order);
	for (size_t i = 0, n; i < v->count; i += n) {
		for (n = 1;
			i + n < v->count && order[i + n]->device.group == order[i]->device.group;)
			n++;
		judge_group(h, v, order + i, n);
	}
	return 0;
}

void inventory_look(struct inventory *v, struct host *h, struct pci_address a)
{
	for (size_t i = 0; i < v->count; i++) {
		struct inventory_entry *x = &v->list[i];

		if (!pci_address_equal(x->device.address, a) || x->device.is_bridge ||
			pci_device_is_dead(h, &x->device) != 1)
			continue;
		x->device.seems_dead = true;
		x->state = judge_device(h, x);
		(void)judge_groups(h, v, NULL);
	}
}

/*
 * A member that was removed and found again, for example, has its driver back while the rest of its
 * group is still lent. During a transaction any driver can be there.
 */
static bool is_back(struct host *h, const struct inventory_entry *x, const struct bind_lease *l)
{
	bool rests = l->state == BIND_LEASE_MANUAL || l->state == BIND_LEASE_DEAD ||
		     l->state == BIND_LEASE_LIVE;

	return rests && !x->device.is_bridge && x->device.driver[0] && !bind_on_vfio(h, &x->device);
}

static int read_leases(struct host *h, struct inventory *v, struct err *e)
{
	cleanup_free struct bind_lease *leases = NULL;
	struct bind_env env = bind_env_live();
	size_t count = 0;

	env.host = h;
	int r = bind_leases(&env, &leases, &count, e);
	for (size_t i = 0; r >= 0 && i < count * v->count; i++) {
		const struct bind_lease *l = &leases[i / v->count];
		struct inventory_entry *x = &v->list[i % v->count];

		if (l->state == BIND_LEASE_VOID || x->device.group != l->group || is_back(h, x, l))
			continue;
		(void)file_path(x->lease, sizeof(x->lease), "%s", l->text);
		x->manual = l->state == BIND_LEASE_MANUAL;
	}
	return r;
}

int inventory_read(struct host *h, enum hold_depth depth, struct inventory *ret, struct err *e)
{
	cleanup_free struct pci_device *devices = NULL;
	struct hold_view *view = NULL;
	size_t count = 0;

	*ret = (struct inventory){.iommu = pci_iommu_state(h)};
	int r = pci_device_list(h, &devices, &count, e);
	if (r < 0)
		return r;
	ret->list = calloc(count ? count : 1, sizeof(*ret->list));
	if (!ret->list)
		return err_set(e, -ENOMEM, "list PCI devices");
	r = hold_view_new(h, depth, &view, e);
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct inventory_entry *x = &ret->list[ret->count++];

		x->device = devices[i];
		r = hold_find_in(view, &devices[i], &x->holds, e);
		x->state = judge_device(h, x);
		for (size_t j = 0; j < x->holds.count; j++) {
			bool net = strcmp(x->holds.list[j].check, "net") == 0;
			ret->blind = ret->blind || (x->holds.list[j].unsure && !net);
			ret->unlooked = ret->unlooked || (x->holds.list[j].unsure && net);
		}
	}
	hold_view_free(view);
	if (r < 0)
		return r;
	r = judge_groups(h, ret, e);
	return r < 0 ? r : read_leases(h, ret, e);
}

void inventory_fini(struct inventory *v)
{
	for (size_t i = 0; i < v->count; i++)
		holds_fini(&v->list[i].holds);
	free(v->list);
	*v = (struct inventory){0};
}

const struct inventory_entry *inventory_find(const struct inventory *v, struct pci_address a)
{
	size_t low = 0, high = v->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = pci_address_compare(v->list[mid].device.address, a);

		if (order == 0)
			return &v->list[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* Writes why an interface that seems free may be in use. */
static void first_doubt(const struct inventory_entry *x, char *buf, size_t size)
{
	for (size_t i = 0; i < x->holds.count && !buf[0]; i++)
		if (strcmp(x->holds.list[i].check, "net") == 0)
			(void)snprintf(buf, size, "%s: %s", x->holds.list[i].object,
				x->holds.list[i].text);
}

/* Writes the first absolute hold, else the first one, and the number of the others. */
static void first_hold(const struct inventory_entry *x, char *buf, size_t size)
{
	const struct hold *first = NULL;
	size_t sure = 0;

	for (size_t i = 0; i < x->holds.count; i++) {
		const struct hold *o = &x->holds.list[i];

		if (o->unsure)
			continue;
		if (!first || (o->absolute && !first->absolute))
			first = o;
		sure++;
	}
	if (!first)
		return;
	(void)snprintf(buf, size, "%s: %s", first->object, first->text);
	size_t n = strlen(buf);
	if (sure > 1 && n < size)
		(void)snprintf(buf + n, size - n, " (and %zu more)", sure - 1);
}

void inventory_reason(const struct inventory_entry *x, char *buf, size_t size)
{
	char address[PCI_ADDRESS_TEXT];

	buf[0] = '\0';
	if (x->state == INVENTORY_GROUP)
		(void)snprintf(buf, size, "%s in its group is %s",
			pci_address_format(x->sibling->device.address, address),
			x->sibling->state == INVENTORY_HOST   ? "the host's"
			: x->sibling->state == INVENTORY_DEAD ? "dead"
							      : "in use");
	else if (x->state == INVENTORY_DEAD)
		(void)snprintf(buf, size, "it does not answer: off the bus, or powered off");
	else if (x->lease[0] && !(x->manual && x->holds.count))
		(void)file_path(buf, size, "%s", x->lease);
	else if (x->state == INVENTORY_BUSY || x->state == INVENTORY_LENT)
		first_hold(x, buf, size);
	else if (x->state == INVENTORY_MAYBE)
		first_doubt(x, buf, size);
}
