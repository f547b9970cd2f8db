/* SPDX-License-Identifier: MIT */
#include "vmm/pass/intx.h"

#include "base/err.h"
#include "base/fd.h"
#include "vfio/irq.h"
#include "vmm/pass/count.h"
#include "vmm/pass/device.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>

/* Resampling needs VFIO to mask the line at each interrupt. */
#define NEEDED (VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED)

int pass_intx_init(struct pass_dev *d, struct err *e)
{
	struct pass_config *c = &d->config;
	unsigned pin = c->raw[PCI_INTERRUPT_PIN];
	struct vfio_irqs irqs;

	d->intx = (struct pass_intx){.trigger = -1, .unmask = -1};
	if (pin < 1 || pin > 4 ||
		vfio_irq_info(&d->vfio, VFIO_PCI_INTX_IRQ_INDEX, &irqs, NULL) < 0 || !irqs.count ||
		(irqs.flags & NEEDED) != NEEDED)
		return 0;
	/* Function 0 has INTA, as a device of one function must. */
	d->intx.pin = d->func.fn ? pin : 1;
	pass_config_emulate(c, PCI_INTERRUPT_PIN, 1, d->intx.pin, 0);
	return 0;
}

void pass_intx_fini(struct pass_dev *d)
{
	pass_intx_stop(d);
	fd_close(&d->intx.trigger);
	fd_close(&d->intx.unmask);
}

static int make_eventfds(struct pass_intx *i)
{
	if (i->trigger < 0)
		i->trigger = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (i->unmask < 0)
		i->unmask = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return i->trigger < 0 || i->unmask < 0 ? -errno : 0;
}

static int start(struct pass_dev *d, struct err *e)
{
	struct pass_intx *i = &d->intx;
	int gsi = pci_intx_gsi(&d->func, i->pin);
	int r = make_eventfds(i);

	if (r < 0)
		return err_set(e, r, "make its eventfds");
	r = irq_attach(&d->vm->irq, gsi, i->trigger, i->unmask, e);
	if (r < 0)
		return r;
	r = vfio_irq_set(&d->vfio, VFIO_PCI_INTX_IRQ_INDEX, 0, &i->trigger, 1);
	if (r) {
		(void)irq_detach(&d->vm->irq, gsi, i->trigger);
		return err_set(e, r > 0 ? -EIO : r, "turn it on");
	}
	i->on = true;
	pass_count_begin_intx(d);
	r = vfio_irq_unmask_fd(&d->vfio, VFIO_PCI_INTX_IRQ_INDEX, i->unmask);
	if (r < 0) {
		pass_intx_stop(d);
		return err_set(e, r, "connect its end of interrupt");
	}
	return 0;
}

void pass_intx_stop(struct pass_dev *d)
{
	struct pass_intx *i = &d->intx;
	eventfd_t count;

	if (!i->on)
		return;
	i->on = false;
	pass_count_take(d, VFIO_PCI_INTX_IRQ_INDEX);
	(void)vfio_irq_disable(&d->vfio, VFIO_PCI_INTX_IRQ_INDEX);
	(void)irq_detach(&d->vm->irq, pci_intx_gsi(&d->func, i->pin), i->trigger);
	(void)eventfd_read(i->trigger, &count);
	(void)eventfd_read(i->unmask, &count);
}

void pass_intx_update(struct pass_dev *d)
{
	struct pass_intx *i = &d->intx;
	unsigned command = pass_config_get(&d->config, PCI_COMMAND, 2);
	bool decodes = command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	struct err e = {0};

	if (!i->pin || i->on || i->failed || d->msix.on || d->msi.on || !decodes)
		return;
	if (start(d, &e) < 0) {
		/* A line that other devices share, on a device that cannot be masked: -EBUSY. */
		i->failed = true;
		log_guest(&d->misdeeds.vector, d->name, "INTx does not work: %s", e.msg);
	}
}
