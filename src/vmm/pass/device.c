/* SPDX-License-Identifier: MIT */
#include "vmm/pass/device.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/pass/access.h"
#include "vmm/pass/domain.h"
#include "vmm/pass/reset.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

WALL_CALL(main | worker, ioctl, VFIO_DEVICE_GET_INFO, VFIO_DEVICE_GET_REGION_INFO,
	VFIO_DEVICE_GET_IRQ_INFO);
WALL_CALL(main | worker, close);

static int read_config(struct pass_dev *d, struct err *e)
{
	struct pass_config *c = &d->config;
	int r = vfio_region_info(&d->vfio, VFIO_PCI_CONFIG_REGION_INDEX, &d->config_region, e);

	if (r < 0)
		return r;
	/* 256, or 4096 for PCI Express and PCI-X 2.0. */
	if (d->config_region.size < 256)
		return err_say(e, -EPROTO, "its configuration space has %" PRIu64 " bytes",
			(uint64_t)d->config_region.size);
	c->size = d->config_region.size < PCI_CONFIG_SIZE ? 256 : PCI_CONFIG_SIZE;
	r = vfio_region_read(&d->vfio, &d->config_region, 0, c->raw, c->size);
	if (r < 0)
		return err_set(e, r, "read its configuration space");
	return pass_config_init(c, e);
}

/* Memory and port decoding are ours: BARs come and go with them. A bit with no BAR stays 0. */
static void emulate_command(struct pass_dev *d)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < FUNC_BARS; i++) {
		if (d->bars.bar[i].kind == FUNC_BAR_IO)
			bits |= PCI_COMMAND_IO;
		else if (d->bars.bar[i].kind != FUNC_BAR_NONE)
			bits |= PCI_COMMAND_MEMORY;
	}
	pass_config_emulate_bits(
		&d->config, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 0);
	le16_put(d->config.write + PCI_COMMAND, (uint16_t)bits);
}

int pass_dev_learn(struct pass_dev *d, struct err *e)
{
	int r = read_config(d, e);

	if (r < 0)
		return r;
	r = pass_bars_init(d, e);
	if (r < 0)
		return r;
	emulate_command(d);
	r = pass_msix_init(d, e);
	if (r < 0)
		return r;
	r = pass_msi_init(d, e);
	if (r < 0)
		return r;
	pass_intx_init(d);
	pass_chain_link(&d->config);
	r = pass_bars_map(d, e);
	return r < 0 ? r : pass_events_init(d, e);
}

static void release_device(struct pass_dev *d)
{
	pass_bars_release(d);
	pass_rom_fini(d);
	pass_msix_release(d);
	pass_msi_fini(d);
	pass_intx_fini(d);
	pass_events_fini(d);
}

void pass_dev_unlearn(struct pass_dev *d)
{
	release_device(d);
	func_bars_fini(&d->bars);
	func_msix_fini(&d->msix.guest);
}

/* Takes the device from the guest, but does not close it. Under the lock. */
static void withdraw_device(struct pass_dev *d)
{
	if (d->dropped)
		return;
	pass_reset_quiet(d);
	__atomic_store_n(&d->dropped, true, __ATOMIC_SEQ_CST);
}

void pass_dev_retire(struct pass_dev *d)
{
	lock_take(&d->lock);
	d->retired = true;
	lock_drop(&d->lock);
}

/* A bus reset by another device's worker may be at this one: it is closed afterwards. */
static void close_device(struct pass_dev *d)
{
	struct pass_domain *g = d->vm->pass;

	if (g)
		lock_take(&g->reset);
	if (g)
		pass_domain_drop(g, d);
	vfio_dev_close(&d->vfio);
	if (g)
		lock_drop(&g->reset);
}

void pass_dev_drop(struct pass_dev *d)
{
	lock_take(&d->lock);
	withdraw_device(d);
	bool closed = d->closed;
	d->closed = true;
	lock_drop(&d->lock);
	if (closed)
		return;
	pass_irqs_stop(d);
	lock_take(&d->lock);
	release_device(d);
	lock_drop(&d->lock);
	close_device(d);
}

/* Context: the worker, after a reset that may have been going on. */
static void leave_run(struct worker_job *j)
{
	struct pass_dev *d = container_of(j, struct pass_dev, leaving);

	pass_dev_drop(d);
	if (d->vm->pass)
		pass_domain_leave(d->vm->pass, d->group);
}

void pass_dev_leave(struct pass_dev *d)
{
	if (d->dropped)
		return;
	withdraw_device(d);
	worker_add(&d->worker, &d->leaving);
}

void pass_dev_free(struct pass_dev *d)
{
	pass_access_fini(d);
	free(d);
}

struct pass_dev *pass_dev_new(struct vm *vm, struct pci_address address)
{
	struct pass_dev *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->lock = (struct lock)LOCK_INIT(LOCK_DEVICE);
	d->func.lock = &d->lock;
	d->resetting.job.run = pass_reset_run;
	d->leaving.run = leave_run;
	pass_count_init(d);
	pass_irqs_init(d);
	d->events.job.run = pass_events_run;
	d->rom.job.run = pass_rom_run;
	d->vm = vm;
	if (pass_access_init(d) < 0) {
		free(d);
		return NULL;
	}
	d->vfio = VFIO_DEV_NONE;
	d->group = -1;
	d->events.request.source.fd = d->events.error.source.fd = -1;
	d->events.deadline.source.fd = -1;
	for (unsigned n = 0; n < PASS_MSI_MAX; n++)
		d->msi.vectors[n] = FUNC_VECTOR_NONE;
	d->address = address;
	(void)pci_address_format(address, d->name);
	worker_init(&d->worker, d->name);
	return d;
}
