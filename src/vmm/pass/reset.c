/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * The kernel has several reset methods and prefers a cycle through D3 to a bus reset, although that
 * cycle leaves much state of many devices as it was. So, for a device without a function level
 * reset, usher resets the bus itself if all devices on it are the guest's and none is in use.
 * Otherwise the kernel chooses (VFIO_DEVICE_RESET).
 */
#include "vmm/pass/reset.h"

#include "base/clean.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "pci/address.h"
#include "vfio/hotreset.h"
#include "vmm/keeper.h"
#include "vmm/pass/access.h"
#include "vmm/pass/device.h"
#include "vmm/pass/domain.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <assert.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

WALL_CALL(main | worker, ioctl, VFIO_DEVICE_RESET, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
	VFIO_DEVICE_FEATURE);

static bool has_express_flr(const struct pass_config *c)
{
	return c->express && le32_get(c->raw + c->express + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR;
}

static bool has_af_flr(const struct pass_config *c)
{
	return c->af && c->raw[c->af + PCI_AF_CAP] & PCI_AF_CAP_FLR;
}

bool pass_reset_is_flr(const struct pass_dev *d, unsigned off, unsigned size, uint32_t value)
{
	const struct pass_config *c = &d->config;
	uint8_t byte;

	if (has_express_flr(c) &&
		pass_config_byte(c->express + PCI_EXP_DEVCTL + 1, off, size, value, &byte))
		return byte & (PCI_EXP_DEVCTL_BCR_FLR >> 8);
	if (has_af_flr(c) && pass_config_byte(c->af + PCI_AF_CTRL, off, size, value, &byte))
		return byte & PCI_AF_CTRL_FLR;
	return false;
}

void pass_reset_quiet(struct pass_dev *d)
{
	func_bars_hide(&d->bars);
	func_msix_reset(&d->msix.guest);
	pass_msi_stop(d);
	pass_intx_stop(d);
	d->quiet = true;
}

/*
 * A reset turns the decoders off in VFIO. The guest still reads them as on, and the next write to a
 * BAR would map pages that VFIO no longer serves. So a function that decodes is in use, wherever
 * its BARs are.
 */
static bool is_in_use(const struct pass_dev *d)
{
	unsigned command = pass_config_get(&d->config, PCI_COMMAND, 2);

	if (d->quiet)
		return false;
	return command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY) || d->msix.guest.on || d->msi.on ||
	       d->intx.on;
}

/* Sets the emulated registers as after power-on. */
static void forget_registers(struct pass_dev *d)
{
	struct pass_config *c = &d->config;

	for (unsigned i = 0; i < c->size; i++)
		c->value[i] &= (uint8_t)~c->write[i];
	func_bars_forget(&d->bars);
	pass_msi_update(d);
	d->intx.failed = false;
	d->power = 0;
	d->quiet = false;
}

/*
 * After a reset the kernel restores the command register. After a failed one the register is as
 * before. In both cases the device must be idle, above all without DMA. Context: a worker; the
 * device is in reset for the guest.
 */
static void silence_device(struct pass_dev *d)
{
	(void)pass_dev_put(d, PCI_COMMAND, 2, 0);
}

static void was_reset(struct pass_dev *d)
{
	d->power = 0;
	d->resets++;
	d->touched = false;
}

/*
 * The guest's device that VFIO means, NULL when it is nobody's. VFIO has 16 bits for a domain, and
 * those that VMD makes are wider: the group's number tells such a one from its namesake.
 */
static struct pass_dev *find_dependent(const struct pass_domain *g, const struct vfio_dependent *x)
{
	assert(lock_is_mine(&g->reset));
	for (struct pass_dev *d = __atomic_load_n(&g->devices, __ATOMIC_ACQUIRE); d; d = d->next) {
		struct pci_address known = d->address;
		known.domain &= UINT16_MAX;
		if (d->group == x->group && pci_address_equal(known, x->address))
			return d;
	}
	return NULL;
}

/*
 * @reset: they were. One that leaves the guest meanwhile is closed only after this, because that
 * takes the same lock (g->reset).
 */
static void release_others(struct pass_dev **others, int count, bool reset)
{
	for (int i = 0; i < count; i++) {
		struct pass_dev *other = others[i];
		if (!other)
			continue;
		if (reset)
			silence_device(other);
		lock_take(&other->lock);
		if (reset && !other->dropped) {
			was_reset(other);
			other->bus_resets++;
		}
		other->resetting.held--;
		lock_drop(&other->lock);
	}
}

/*
 * The guest's other functions on the bus, which are to be reset with @d: each is held in reset.
 * Return: 0; -EBUSY one of them is in use, and none is held.
 */
static int hold_others(
	struct pass_dev *d, const struct vfio_dependent *all, int count, struct pass_dev **others)
{
	for (int i = 0; i < count; i++) {
		struct pass_dev *other = find_dependent(d->vm->pass, &all[i]);
		others[i] = NULL;
		if (!other || other == d)
			continue;
		lock_take(&other->lock);
		bool in_use = !other->dropped && is_in_use(other);
		if (!in_use && !other->dropped) {
			other->resetting.held++;
			others[i] = other;
		}
		lock_drop(&other->lock);
		if (!in_use)
			continue;
		release_others(others, i, false);
		return -EBUSY;
	}
	return 0;
}

/*
 * Resets the bus with all that is on it. Functions that are nobody's (of a group that is ours, on
 * a driver of VFIO) come along. The keeper gives the kernel the groups as proof that all of it is
 * ours. Context: the worker.
 * Return: 0, -EBUSY another function of the guest is in use, -errno.
 */
static int reset_bus(struct pass_dev *d)
{
	cleanup_free struct vfio_dependent *all = NULL;
	cleanup_free struct pass_dev **others = NULL;

	int n = vfio_hotreset_info(&d->vfio, &all, NULL);
	if (n < 0)
		return n;
	others = calloc((size_t)n + 1, sizeof(struct pass_dev *));
	if (!others)
		return -ENOMEM;
	int r = hold_others(d, all, n, others);
	if (r < 0)
		return r;
	r = keeper_reset_bus(d->vm->keeper, d->address);
	release_others(others, n, r >= 0);
	return r; /* NOLINT(clang-analyzer-unix.Malloc): cleanup_free */
}

/* What the kernel has, best first. Context: the worker. Return: 1 by the bus, 0, -errno. */
static int reset_function(struct pass_dev *d, struct err *e)
{
	bool has_flr = has_express_flr(&d->config) || has_af_flr(&d->config);

	if (!has_flr && d->vm->pass) {
		/* One bus at a time: others on it wait here with their own, and then need none. */
		lock_take(&d->vm->pass->reset);
		lock_take(&d->lock);
		bool needed = d->touched;
		lock_drop(&d->lock);
		int r = needed ? reset_bus(d) : 0;
		lock_drop(&d->vm->pass->reset);
		if (r >= 0)
			return needed;
	}
	return vfio_dev_reset(&d->vfio, e);
}

static void finish_reset(struct pass_dev *d, int result, const struct err *e)
{
	lock_take(&d->lock);
	/* The guest's own request counts, even if the bus was reset meanwhile. */
	bool counts = result >= 0 && (d->touched || d->resetting.flr_size);
	lock_drop(&d->lock);
	if (counts || result < 0)
		silence_device(d);
	lock_take(&d->lock);
	if (counts) {
		was_reset(d);
		d->bus_resets += result > 0;
	} else if (result < 0) {
		/* It stays touched: the next time may do. */
		log_guest(&d->misdeeds.reset, d->name, "at the guest's reset: %s", e->msg);
	}
	d->resetting.queued = false;
	lock_drop(&d->lock);
}

/* The guest's write, without the lock: what the guest sees follows in finish_reset(). */
static int request_flr(struct pass_dev *d, struct err *e)
{
	const struct pass_resetting *w = &d->resetting;
	int r = vfio_region_put(&d->vfio, &d->config_region, w->flr_off, w->flr_size, w->flr_value);

	return r < 0 ? err_set(e, r, "reset its function") : 0;
}

void pass_reset_run(struct worker_job *j)
{
	struct pass_dev *d = container_of(j, struct pass_dev, resetting.job);
	struct err e = {0};

	/* Nobody else is at the device: all accesses end before VFIO while it is in reset. */
	int r = d->resetting.flr_size ? request_flr(d, &e) : reset_function(d, &e);
	finish_reset(d, r, &e);
}

static void queue_reset(struct pass_dev *d)
{
	d->resetting.queued = true;
	worker_add(&d->worker, &d->resetting.job);
}

void pass_reset(struct pass_dev *d)
{
	if (d->dropped)
		return;
	if (d->resetting.queued) {
		d->quiet = false; /* its registers are as after a reset since the first request */
		return;
	}
	pass_reset_quiet(d);
	forget_registers(d);
	if (!d->touched)
		return;
	d->resetting.flr_size = 0;
	queue_reset(d);
}

void pass_reset_flr(struct pass_dev *d, unsigned off, unsigned size, uint32_t value)
{
	pass_reset_quiet(d);
	forget_registers(d);
	d->resetting.flr_off = off;
	d->resetting.flr_size = size;
	d->resetting.flr_value = value;
	queue_reset(d);
}

int pass_reset_wait(struct vm *vm, unsigned ms)
{
	bool idle = true;

	for (struct pass_dev *d = vm->pass ? vm->pass->devices : NULL; d; d = d->next)
		idle &= worker_wait(&d->worker, ms);
	return idle ? 0 : -ETIMEDOUT;
}
