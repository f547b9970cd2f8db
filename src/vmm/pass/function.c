/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * The order within a configuration write is the invariant of this file. The kernel removes every
 * mapping of a BAR when memory decoding is disabled, when the device leaves D0 and when it is
 * reset. A vCPU that then accesses the BAR fails with EFAULT, which would end the guest. So BARs
 * that are about to go leave guest memory before the device sees the write, and others come after
 * it.
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

/* What the device decodes: enum func_decode. A function outside D0 answers to config alone. */
static unsigned decoded_spaces(const struct pass_dev *d)
{
	unsigned command = pass_config_get(&d->config, PCI_COMMAND, 2), decode = FUNC_DECODE_NONE;

	if (d->power)
		return decode;
	if (command & PCI_COMMAND_IO)
		decode |= FUNC_DECODE_IO;
	if (command & PCI_COMMAND_MEMORY)
		decode |= FUNC_DECODE_MEM;
	return decode;
}

static uint32_t config_read(struct pci_func *f, unsigned off, unsigned size)
{
	struct pass_dev *d = dev_of(f);
	const struct pass_config *c = &d->config;

	if (d->dropped || pass_dev_in_reset(d) || !range_ok(off, size, c->size))
		return (uint32_t)all_ones(size);
	d->config_reads++;
	if (pass_config_emulated(c, off, size))
		return pass_config_get(c, off, size) | pass_msi_pending(d, off, size);
	return pass_config_merge(c, off, size, pass_dev_get(d, off, size));
}

static void config_write(struct pci_func *f, unsigned off, unsigned size, uint32_t value)
{
	struct pass_dev *d = dev_of(f);
	struct pass_config *c = &d->config;
	unsigned was = decoded_spaces(d);
	uint8_t pmcsr = 0;

	if (d->dropped || pass_dev_in_reset(d) || !range_ok(off, size, c->size))
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
	func_bars_place(&d->bars, was & decoded_spaces(d));
	if (!pass_config_emulated(c, off, size))
		pass_dev_put(d, off, size, value);
	/* A state that the device does not have leaves it where it was. */
	if (power)
		d->power = pass_dev_get(d, c->pm + PCI_PM_CTRL, 1) & PCI_PM_CTRL_STATE_MASK;
	func_bars_place(&d->bars, decoded_spaces(d));
	pass_msix_update(d);
	pass_msi_update(d);
	pass_intx_update(d);
}

static void quiet_function(struct pci_func *f)
{
	struct pass_dev *d = dev_of(f);

	if (!d->dropped)
		pass_reset_quiet(d);
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

static void finish_function(struct pci_func *f)
{
	struct pass_dev *d = dev_of(f);

	/* A reset of the bus that another device's worker is at may concern this one. */
	while (pass_reset_wait(d->vm, 1000) < 0)
		continue;
	pass_count_end(d);
	worker_fini(&d->worker);
	pass_dev_drop(d);
	pass_domain_remove(d);
	loop_settle(&d->vm->loop);
	pass_dev_unlearn(d);
	free(d);
}

const struct pci_func_ops pass_func_ops = {
	.name = "vfio",
	.config_read = config_read,
	.config_write = config_write,
	.quiet = quiet_function,
	.reset = reset_function,
	.eject = eject_function,
	.fini = finish_function,
};

struct pass_dev *pass_func_new(struct vm *vm, struct pci_address address)
{
	struct pass_dev *d = pass_dev_new(vm, address);

	if (d)
		d->func.ops = &pass_func_ops;
	return d;
}
