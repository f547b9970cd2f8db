/* SPDX-License-Identifier: MIT */
#include "vmm/pci/intx.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/pci/root.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <sys/eventfd.h>

WALL_CALL(main | worker, eventfd2);
WALL_CALL(main | worker, close);
WALL_CALL(main | vcpu | worker | disk, read);
WALL_CALL(main | vcpu | worker | disk, write);

void func_intx_init(struct func_intx *i, struct vm *vm, const struct pci_func *f, unsigned pin)
{
	*i = (struct func_intx){.vm = vm,
		.func = f,
		.pin = pin,
		.trigger = -1,
		.resample = -1,
		.resampled = {.fd = -1}};
	if (!pin)
		return;
	i->trigger = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	i->resample = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int func_intx_attach(struct func_intx *i, struct err *e)
{
	if (i->attached)
		return 0;
	if (i->trigger < 0 || i->resample < 0)
		return err_set(e, -EMFILE, "have eventfds for INTx");
	int gsi = pci_intx_gsi(i->func, i->pin);
	int r = irq_attach(&i->vm->irq, gsi, i->trigger, i->resample, e);
	i->attached = r >= 0;
	return r;
}

void func_intx_detach(struct func_intx *i)
{
	eventfd_t count;

	i->asserted = false;
	if (!i->attached)
		return;
	i->attached = false;
	(void)irq_detach(&i->vm->irq, pci_intx_gsi(i->func, i->pin), i->trigger);
	(void)eventfd_read(i->trigger, &count);
	(void)eventfd_read(i->resample, &count);
}

void func_intx_fini(struct func_intx *i)
{
	if (!i->vm)
		return;
	func_intx_detach(i);
	if (i->resampled.fd >= 0)
		loop_remove(&i->vm->loop, &i->resampled);
	i->resampled.fd = -1;
	fd_close(&i->trigger);
	fd_close(&i->resample);
}

/*
 * Main thread, without a lock. The guest has handled the interrupt: a line still asserted is anew.
 */
static void on_resample(struct loop_source *s, uint32_t events)
{
	struct func_intx *i = container_of(s, struct func_intx, resampled);
	eventfd_t count;

	lock_take(i->func->lock);
	/* The function may have gone meanwhile, and its eventfds with it. */
	if (s->fd >= 0 && eventfd_read(s->fd, &count) == 0 && i->asserted)
		(void)eventfd_write(i->trigger, 1);
	lock_drop(i->func->lock);
}

static int intx_watch(struct func_intx *i)
{
	if (i->resampled.fd >= 0)
		return 0;
	i->resampled = (struct loop_source){.fd = i->resample, .ready = on_resample};
	int r = loop_add(&i->vm->loop, &i->resampled, NULL);
	if (r < 0)
		i->resampled.fd = -1;
	return r;
}

int func_intx_set(struct func_intx *i, bool asserted)
{
	if (!i->pin || asserted == i->asserted)
		return 0;
	if (!asserted) {
		/*
		 * KVM lowers the pin at the end of the interrupt that the guest is about to handle.
		 */
		i->asserted = false;
		return 0;
	}
	int r = func_intx_attach(i, NULL);
	if (r < 0)
		return r;
	r = intx_watch(i);
	if (r < 0)
		return r;
	i->asserted = true;
	return eventfd_write(i->trigger, 1) < 0 ? -errno : 0;
}
