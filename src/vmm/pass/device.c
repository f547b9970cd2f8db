/* SPDX-License-Identifier: MIT */
#include "vmm/pass/device.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/pass/domain.h"
#include "vmm/pass/function.h"
#include "vmm/pass/pass.h"
#include "vmm/pass/reset.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_config(struct pass_dev *d, struct err *e)
{
	struct pass_config *c = &d->config;
	int r = vfio_region_info(&d->vfio, VFIO_PCI_CONFIG_REGION_INDEX, &d->config_region, e);

	if (r < 0)
		return r;
	/* 256, or 4096 for PCI Express and PCI-X 2.0. */
	if (d->config_region.size < 256)
		return err_say(e, -EPROTO, "its configuration space has %llu bytes",
			(unsigned long long)d->config_region.size);
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

static void release(struct pass_dev *d)
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
	release(d);
	func_bars_fini(&d->bars);
	func_msix_fini(&d->msix.guest);
}

uint32_t pass_dev_get(struct pass_dev *d, unsigned off, unsigned size)
{
	uint64_t v;

	if (vfio_region_get(&d->vfio, &d->config_region, off, size, &v) < 0)
		return (uint32_t)all_ones(size);
	return (uint32_t)v;
}

void pass_dev_put(struct pass_dev *d, unsigned off, unsigned size, uint32_t value)
{
	int r = vfio_region_put(&d->vfio, &d->config_region, off, size, value);

	d->touched = true;
	if (r < 0)
		log_guest(&d->misdeeds.access, d->name, "write of configuration space at 0x%x: %s",
			off, strerror(-r));
}

/* The guest has the device no longer. Under the lock. */
static void forsake(struct pass_dev *d)
{
	if (d->dropped)
		return;
	pass_reset_quiet(d);
	__atomic_store_n(&d->dropped, true, __ATOMIC_SEQ_CST);
}

void pass_dev_drop(struct pass_dev *d)
{
	lock_take(&d->lock);
	forsake(d);
	bool closed = d->closed;
	if (!closed)
		release(d);
	d->closed = true;
	lock_drop(&d->lock);
	if (closed)
		return;
	if (d->vm->pass)
		pass_domain_drop(d->vm->pass, d);
	vfio_dev_close(&d->vfio);
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
	forsake(d);
	worker_add(&d->worker, &d->leaving);
}

bool pass_dev_is_last(const struct pass_dev *d)
{
	const struct pass_dev *other = d->vm->pass ? d->vm->pass->devices : NULL;

	while (other &&
		(other == d || pass_dev_is_dropped(other) || other->func.port != d->func.port))
		other = other->next;
	return !other;
}

struct pass_dev *pass_dev_new(struct vm *vm, struct pci_address address)
{
	struct pass_dev *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->func.ops = &pass_func_ops;
	d->lock = (struct lock)LOCK_INIT(LOCK_DEVICE);
	d->func.lock = &d->lock;
	d->resetting.job.run = pass_reset_run;
	d->leaving.run = leave_run;
	d->vm = vm;
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

/* Function 0 of the device that @a is another function of, if the guest has it. */
static struct pass_dev *find_first(const struct pass_domain *g, struct pci_address a)
{
	for (struct pass_dev *d = g->devices; d; d = d->next)
		if (!d->func.fn && !d->dropped && !d->address.fn &&
			pci_address_same_slot(d->address, a) &&
			d->config.raw[PCI_HEADER_TYPE] & PASS_MULTIFUNCTION)
			return d;
	return NULL;
}

static uint32_t atomics_of(struct pass_dev *d)
{
	unsigned has = vfio_dev_atomics(&d->vfio);

	return (has & VFIO_ATOMIC_32 ? PCI_EXP_DEVCAP2_ATOMIC_COMP32 : 0U) |
	       (has & VFIO_ATOMIC_64 ? PCI_EXP_DEVCAP2_ATOMIC_COMP64 : 0U) |
	       (has & VFIO_ATOMIC_128 ? PCI_EXP_DEVCAP2_ATOMIC_COMP128 : 0U);
}

static int plug(struct pass_dev *d, const struct pass_domain *g, struct err *e)
{
	struct pass_dev *first = d->address.fn ? find_first(g, d->address) : NULL;

	d->func.fn = first ? d->address.fn : 0;
	int r = pass_dev_learn(d, e);
	if (r < 0)
		return r;
	if (!first) {
		r = pci_plug(d->vm, &d->func, d->name, e);
		if (r >= 0)
			pci_port_atomics(&d->func, atomics_of(d));
		return r;
	}
	pass_config_emulate_bits(
		&d->config, PCI_HEADER_TYPE, 1, PASS_MULTIFUNCTION, PASS_MULTIFUNCTION);
	pass_config_emulate_bits(
		&first->config, PCI_HEADER_TYPE, 1, PASS_MULTIFUNCTION, PASS_MULTIFUNCTION);
	pci_plug_beside(&first->func, &d->func);
	/* The host's port was asked for one function; what holds for all of them nobody says. */
	pci_port_atomics(&first->func, 0);
	return 0;
}

int pass_add(
	struct vm *vm, const struct pass_spec *spec, const struct vfio_iommu *iommu, struct err *e)
{
	char name[PCI_ADDRESS_TEXT];
	struct pass_domain *g;
	struct pass_dev *d = pass_dev_new(vm, spec->address);

	(void)pci_address_format(spec->address, name);
	if (!d)
		return err_set(e, -ENOMEM, "%s: pass it through", name);
	d->trace = spec->trace;
	d->group = spec->group;
	int r = vfio_dev_from_fd(spec->device, &d->vfio, e);
	if (r < 0)
		goto fail;
	r = pass_rom_init(d, spec->rom, spec->rom_fd, e);
	if (r < 0)
		goto close;
	r = pass_domain_get(vm, spec->ioas, iommu, &g, e);
	if (r < 0)
		goto close;
	if (spec->peers)
		pass_domain_peers(g);
	r = pass_domain_add(g, d, e);
	if (r < 0)
		goto close;
	r = plug(d, g, e);
	if (r < 0)
		goto close;
	d->next = g->devices;
	g->devices = d;
	return 0;
close:
	pass_dev_unlearn(d);
	vfio_dev_close(&d->vfio);
fail:
	free(d);
	return err_in(e, r, "%s", name);
}
