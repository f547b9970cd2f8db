/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * The order within a configuration write is the invariant of this file. The kernel removes every
 * mapping of a BAR when memory decoding is disabled, when the device leaves D0 and when it is
 * reset. A vCPU that then accesses the BAR fails with EFAULT, which would end the guest. So BARs
 * that are about to go leave guest memory before the device sees the write, and others come after
 * it.
 *
 * The write itself, and what follows from it for interrupts, is a job of the device's worker
 * (vmm/pass/access, vmm/pass/irqs): a change of power state takes 10 ms and more. The vCPU goes on
 * when it is done, as after a configuration write on hardware, which is not posted. Meanwhile it
 * has dropped the lock. If the host takes too long, the guest goes on without: the worker completes
 * the write, and places the BARs then.
 */
#include "vmm/pass/function.h"

#include "base/bits.h"
#include "base/num.h"
#include "vmm/pass/access.h"
#include "vmm/pass/device.h"
#include "vmm/pass/domain.h"
#include "vmm/pass/reset.h"
#include "vmm/vm.h"

#include <linux/pci_regs.h>
#include <stdlib.h>

static struct pass_dev *dev_of(struct pci_func *f)
{
	return container_of(f, struct pass_dev, func);
}

/* Gone, without power, or in reset. */
static bool is_unreachable(const struct pass_dev *d)
{
	return d->dropped || d->quiet || pass_dev_in_reset(d);
}

static uint32_t config_read(struct pci_func *f, unsigned off, unsigned size)
{
	struct pass_dev *d = dev_of(f);
	const struct pass_config *c = &d->config;

	if (is_unreachable(d) || !range_ok(off, size, c->size))
		return (uint32_t)all_ones(size);
	d->config_reads++;
	if (pass_config_emulated(c, off, size))
		return pass_config_get(c, off, size) | pass_msi_pending(d, off, size);
	uint32_t physical = pass_access_read(d, off, size);
	if (is_unreachable(d))
		return (uint32_t)all_ones(size);
	return pass_config_merge(c, off, size, physical);
}

static void config_write(struct pci_func *f, unsigned off, unsigned size, uint32_t value)
{
	struct pass_dev *d = dev_of(f);
	struct pass_config *c = &d->config;
	unsigned was = pass_access_decodes(d);
	uint8_t pmcsr = 0;

	if (is_unreachable(d) || !range_ok(off, size, c->size))
		return;
	d->config_writes++;
	if (pass_reset_is_flr(d, off, size, value)) {
		pass_reset_flr(d, off, size, value);
		return;
	}
	pass_config_store(c, off, size, value);
	func_bars_wrote(&d->bars, off, size, value);
	bool power = c->pm && pass_config_byte(c->pm + PCI_PM_CTRL, off, size, value, &pmcsr);
	if (power)
		d->power = pmcsr & PCI_PM_CTRL_STATE_MASK;
	func_bars_place(&d->bars, was & pass_access_decodes(d));
	pass_msix_update(d);
	pass_msi_update(d);
	pass_intx_update(d);
	if (pass_config_emulated(c, off, size))
		pass_access_place(d);
	else
		pass_access_write(d, off, size, value, power);
	pass_ask_wait(d);
}

/* A function whose slot has no power does no DMA either: its memory may be another's by then. */
static void quiet_function(struct pci_func *f)
{
	struct pass_dev *d = dev_of(f);

	if (d->dropped)
		return;
	pass_reset_quiet(d);
	if (d->touched && !pass_dev_in_reset(d))
		pass_access_write(d, PCI_COMMAND, 2, 0, false);
}

static void reset_function(struct pci_func *f)
{
	pass_reset(dev_of(f));
}

static void eject_function(struct pci_func *f)
{
	struct pass_dev *d = dev_of(f);

	pass_events_ejected(d);
	pass_dev_leave(d);
}

/* Once it has left the guest and its worker has nothing to do, nobody gives the worker anything. */
static bool function_is_idle(struct pci_func *f)
{
	struct pass_dev *d = dev_of(f);

	lock_take(&d->lock);
	bool gone = d->dropped && !d->resetting.held;
	lock_drop(&d->lock);
	return gone && worker_is_idle(&d->worker);
}

static void finish_function(struct pci_func *f)
{
	struct pass_dev *d = dev_of(f);

	/*
	 * A reset of the bus that another device's worker is at may concern this one, unless it is
	 * idle. Then other devices are not waited for: the guest runs, and keeps them busy.
	 */
	while (!function_is_idle(f) && pass_reset_wait(d->vm, 1000) < 0)
		continue;
	pass_dev_retire(d);
	worker_fini(&d->worker);
	pass_dev_drop(d);
	pass_domain_remove(d);
	loop_settle(&d->vm->loop);
	pass_dev_unlearn(d);
	pass_dev_free(d);
}

const struct pci_func_ops pass_func_ops = {
	.name = "vfio",
	.config_read = config_read,
	.config_write = config_write,
	.quiet = quiet_function,
	.reset = reset_function,
	.eject = eject_function,
	.is_idle = function_is_idle,
	.fini = finish_function,
};

struct pass_dev *pass_func_new(struct vm *vm, struct pci_address address)
{
	struct pass_dev *d = pass_dev_new(vm, address);

	if (d)
		d->func.ops = &pass_func_ops;
	return d;
}
