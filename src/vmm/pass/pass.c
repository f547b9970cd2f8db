/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * A device is learned from VFIO (vmm/pass/device), becomes a function (vmm/pass/function) and is
 * plugged behind a root port. All devices share one domain (vmm/pass/domain), which maps the
 * guest's RAM for DMA when the first device comes.
 *
 * While the guest runs, pass_attach() does the same in an order that it can undo: the domain, the
 * devices, KVM, and the slot last. Until then no other thread sees the devices.
 */
#include "vmm/pass/pass.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "vmm/pass/device.h"
#include "vmm/pass/domain.h"
#include "vmm/pass/function.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <unistd.h>

WALL_CALL(main, clock_nanosleep);

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
	pass_domain_link(g, d);
	return 0;
close:
	pass_dev_unlearn(d);
	vfio_dev_close(&d->vfio);
fail:
	pass_dev_free(d);
	return err_in(e, r, "%s", name);
}

/* How long the card that was in a slot may take to close: a reset is part of that. */
#define CLOSE_STEP_MS 10
#define CLOSE_MAX_MS 10000

/* A card that is on its way into the running guest; function 0 comes first. */
struct attachment {
	struct vm *vm;
	struct pass_domain *domain;
	size_t count;
	struct pass_dev *devices[PASS_FUNCTIONS_MAX];
};

static int check_card(const struct pass_spec *specs, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		if (specs[i].ioas != specs[0].ioas)
			return err_say(
				e, -EINVAL, "all devices of a guest share one I/O address space");
		if (!pci_address_same_slot(specs[i].address, specs[0].address))
			return err_say(e, -EINVAL,
				"the devices are of several cards: attach one at a time");
	}
	if (count > 1 && specs[0].address.fn)
		return err_say(e, -EINVAL, "function 0 of the card is not the first device");
	return count && count <= PASS_FUNCTIONS_MAX ? 0 : err_set(e, -EINVAL, "attach a card");
}

static int open_device(struct pass_dev *d, struct pass_spec *spec, struct err *e)
{
	int r = vfio_dev_from_fd(spec->device, &d->vfio, e);
	if (r < 0)
		return r;
	int rom = spec->rom_fd;
	spec->device = spec->rom_fd = -1;
	r = pass_rom_init(d, spec->rom, rom, e);
	return r < 0 ? r : pass_dev_learn(d, e);
}

static int open_card(struct attachment *a, struct pass_spec *specs, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct pass_dev *d = pass_func_new(a->vm, specs[i].address);
		if (!d)
			return err_set(e, -ENOMEM, "pass a device through");
		a->devices[a->count++] = d;
		d->trace = specs[i].trace;
		d->group = specs[i].group;
		d->func.fn = count > 1 ? specs[i].address.fn : 0;
		d->events.deferred = true;
		int r = open_device(d, &specs[i], e);
		if (r >= 0)
			r = pass_domain_add(a->domain, d, e);
		if (r < 0)
			return err_in(e, r, "%s", d->name);
		if (count > 1)
			pass_config_emulate_bits(&d->config, PCI_HEADER_TYPE, 1, PASS_MULTIFUNCTION,
				PASS_MULTIFUNCTION);
	}
	return 0;
}

/* Whether the guest runs, or will again. */
static bool guest_is_there(const struct vm *vm)
{
	enum vm_end end = vm_ended(vm);

	return end == VM_RUNNING || end == VM_REBOOT;
}

/*
 * A slot whose card has just left is empty once that card is closed. At the guest's end nobody
 * waits: the devices are about to be finished.
 */
static int plug_card(struct attachment *a, struct err *e)
{
	struct pass_dev *first = a->devices[0];

	int r = pci_plug(a->vm, &first->func, first->name, e);
	for (unsigned waited = 0; r == -EBUSY && waited < CLOSE_MAX_MS && guest_is_there(a->vm);
		waited += CLOSE_STEP_MS) {
		(void)usleep(1000 * CLOSE_STEP_MS);
		r = pci_plug(a->vm, &first->func, first->name, e);
	}
	return r;
}

/* The slot comes last: it can be refused, and nothing behind it can. */
static int insert_card(struct attachment *a, struct err *e)
{
	struct pass_dev *first = a->devices[0];
	struct err ignored;

	int r = plug_card(a, e);
	if (r < 0)
		return r;
	pci_port_atomics(&first->func, a->count == 1 ? atomics_of(first) : 0);
	for (size_t i = 1; i < a->count; i++)
		pci_plug_beside(&first->func, &a->devices[i]->func);
	if (!a->vm->pass)
		pass_domain_publish(a->domain);
	for (size_t i = 0; i < a->count; i++)
		pass_domain_link(a->domain, a->devices[i]);
	pci_announce(&first->func);
	for (size_t i = 0; i < a->count; i++)
		if (pass_events_watch(a->devices[i], &ignored) < 0)
			log_warn(a->devices[i]->name, "%s", ignored.msg);
	return 0;
}

static void undo_attachment(struct attachment *a)
{
	while (a->count) {
		struct pass_dev *d = a->devices[--a->count];
		pass_domain_withdraw(a->domain, d);
		pass_dev_unlearn(d);
		vfio_dev_close(&d->vfio);
		worker_fini(&d->worker);
		pass_dev_free(d);
	}
	if (a->domain && a->domain != a->vm->pass)
		pass_domain_end(a->domain);
}

static void close_specs(struct pass_spec *specs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int ioas = specs[i].ioas;
		fd_close(&specs[i].device);
		fd_close(&specs[i].rom_fd);
		for (size_t j = i + 1; j < count; j++)
			if (specs[j].ioas == ioas)
				specs[j].ioas = -1;
		fd_close(&specs[i].ioas);
	}
}

/* One descriptor of the I/O address space serves all functions. */
static int join_domain(struct attachment *a, struct pass_spec *specs, size_t count, struct err *e)
{
	int ioas = specs[0].ioas;

	int r = pass_domain_join(a->vm, &ioas, &a->domain, e);
	for (size_t i = 0; i < count; i++)
		specs[i].ioas = ioas;
	return r;
}

static int attach_card(struct attachment *a, struct pass_spec *specs, size_t count, struct err *e)
{
	int r = check_card(specs, count, e);

	if (r < 0)
		return r;
	r = join_domain(a, specs, count, e);
	if (r < 0)
		return r;
	r = open_card(a, specs, count, e);
	return r < 0 ? r : insert_card(a, e);
}

int pass_attach(struct vm *vm, struct pass_spec *specs, size_t count, struct err *e)
{
	struct attachment a = {.vm = vm};

	int r = attach_card(&a, specs, count, e);
	if (r < 0)
		undo_attachment(&a);
	close_specs(specs, count);
	return r;
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
