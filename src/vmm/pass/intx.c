/* SPDX-License-Identifier: MIT */
#include "vmm/pass/intx.h"

#include "base/err.h"
#include "vfio/irq.h"
#include "vmm/pass/count.h"
#include "vmm/pass/device.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>

/* Resampling needs VFIO to mask the line at each interrupt. */
#define NEEDED (VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED)

void pass_intx_init(struct pass_dev *d)
{
	struct pass_config *c = &d->config;
	unsigned pin = c->raw[PCI_INTERRUPT_PIN];
	struct vfio_irqs irqs;

	if (pin < 1 || pin > 4 ||
		vfio_irq_info(&d->vfio, VFIO_PCI_INTX_IRQ_INDEX, &irqs, NULL) < 0 || !irqs.count ||
		(irqs.flags & NEEDED) != NEEDED)
		return;
	/* Function 0 has INTA, as a device of one function must. */
	pin = d->func.fn ? pin : 1;
	func_intx_init(&d->intx.line, d->vm, &d->func, pin);
	pass_config_emulate(c, PCI_INTERRUPT_PIN, 1, pin, 0);
}

void pass_intx_fini(struct pass_dev *d)
{
	pass_intx_stop(d);
	func_intx_fini(&d->intx.line);
}

static int intx_start(struct pass_dev *d, struct err *e)
{
	struct pass_intx *i = &d->intx;
	int r = func_intx_attach(&i->line, e);

	if (r < 0)
		return r;
	r = vfio_irq_set(&d->vfio, VFIO_PCI_INTX_IRQ_INDEX, 0, &i->line.trigger, 1);
	if (r) {
		func_intx_detach(&i->line);
		return err_set(e, r > 0 ? -EIO : r, "turn it on");
	}
	i->on = true;
	pass_count_intx(d);
	r = vfio_irq_unmask_fd(&d->vfio, VFIO_PCI_INTX_IRQ_INDEX, i->line.resample);
	if (r < 0) {
		pass_intx_stop(d);
		return err_set(e, r, "connect its end of interrupt");
	}
	return 0;
}

void pass_intx_stop(struct pass_dev *d)
{
	struct pass_intx *i = &d->intx;

	if (!i->on)
		return;
	i->on = false;
	(void)vfio_irq_disable(&d->vfio, VFIO_PCI_INTX_IRQ_INDEX);
	func_intx_detach(&i->line);
	pass_count_intx(d);
}

void pass_intx_update(struct pass_dev *d)
{
	struct pass_intx *i = &d->intx;
	unsigned command = pass_config_get(&d->config, PCI_COMMAND, 2);
	bool decodes = command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	struct err e = {0};

	if (!i->line.pin || i->on || i->failed || d->msix.guest.on || d->msi.on || !decodes)
		return;
	/* The worker calls again. A level that the device asserts meanwhile is not lost. */
	if (pass_count_lingers(d))
		return;
	if (intx_start(d, &e) < 0) {
		/* A line that other devices share, on a device that cannot be masked: -EBUSY. */
		i->failed = true;
		log_guest(&d->misdeeds.vector, d->name, "INTx does not work: %s", e.msg);
	}
}
