/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * A device is learned from VFIO (vmm/pass/device), becomes a function (vmm/pass/function) and is
 * plugged behind a root port. All devices share one domain (vmm/pass/domain), which maps the
 * guest's RAM for DMA when the first device comes.
 */
#include "vmm/pass/pass.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/pass/device.h"
#include "vmm/pass/domain.h"
#include "vmm/pass/function.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>

/* Return: function 0 of the card that @a is another function of, NULL if the guest has none. */
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

static int plug_device(struct pass_dev *d, const struct pass_domain *g, struct err *e)
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
	/* VFIO tells what the host's port completes for one function, not for all of a card. */
	pci_port_atomics(&first->func, 0);
	return 0;
}

int pass_add(
	struct vm *vm, const struct pass_spec *spec, const struct vfio_iommu *iommu, struct err *e)
{
	char name[PCI_ADDRESS_TEXT];
	struct pass_domain *g;
	struct pass_dev *d = pass_func_new(vm, spec->address);

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
	r = plug_device(d, g, e);
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

int pass_renew(struct vm *vm, struct err *e)
{
	int r = 0;

	/* The old one first: it still believes that the groups are its VM's. */
	if (vm->pass)
		fd_close(&vm->pass->kvm);
	for (struct pass_dev *d = vm->pass ? vm->pass->devices : NULL; d && r >= 0; d = d->next)
		if (!d->dropped)
			r = pass_domain_add(vm->pass, d, e);
	return r;
}

void pass_fini(struct vm *vm)
{
	struct pass_domain *g = vm->pass;

	if (!g)
		return;
	fd_close(&g->kvm);
	vfio_ioas_close(&g->ioas);
	free(g);
	vm->pass = NULL;
}
