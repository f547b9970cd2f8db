/* SPDX-License-Identifier: MIT */
#include "vmm/pass/intx.h"

#include "base/err.h"
#include "vfio/irq.h"
#include "vmm/pass/access.h"
#include "vmm/pass/device.h"
#include "vmm/vm.h"

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

void pass_intx_failed(struct pass_dev *d, int r)
{
	struct pass_intx *i = &d->intx;

	/* A line that other devices share, on a device that cannot be masked: -EBUSY. */
	log_guest(&d->misdeeds.vector, d->name, "INTx does not work: %s", strerror(-r));
	i->failed = true;
	if (!i->on)
		return;
	i->on = false;
	func_intx_detach(&i->line);
}

void pass_intx_stop(struct pass_dev *d)
{
	struct pass_intx *i = &d->intx;

	if (!i->on)
		return;
	i->on = false;
	func_intx_detach(&i->line);
	pass_ask_irqs(d, true);
}

void pass_intx_update(struct pass_dev *d)
{
	struct pass_intx *i = &d->intx;
	unsigned command = pass_config_get(&d->config, PCI_COMMAND, 2);
	bool decodes = command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY);

	if (!i->line.pin || i->on || i->failed || d->msix.guest.on || d->msi.on || !decodes)
		return;
	int r = func_intx_attach(&i->line, NULL);
	if (r < 0) {
		pass_intx_failed(d, r);
		return;
	}
	/* A level that the device asserts before VFIO has it on is not lost. */
	i->on = true;
	pass_ask_irqs(d, false);
}
