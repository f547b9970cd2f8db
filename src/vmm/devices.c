/* SPDX-License-Identifier: MIT */
#include "vmm/devices.h"

#include "vmm/machine.h"
#include "vmm/pass/pass.h"
#include "vmm/virtio/console.h"

/*
 * The first function in the slot of function @i: function 0 of the same device if the guest has
 * it, else @i.
 */
static size_t first_of(const struct machine_spec *s, size_t i)
{
	struct pci_address a = s->devices[i].passed.address;

	for (size_t j = 0; j < s->device_count && a.fn; j++) {
		struct pci_address b = s->devices[j].passed.address;
		if (s->devices[j].kind == MACHINE_PASSED && !b.fn && pci_address_same_slot(a, b))
			return j;
	}
	return i;
}

int devices_add_passed(struct machine *m, struct err *e)
{
	const struct machine_spec *s = m->spec;
	int r = 0;

	for (size_t i = 0; i < s->device_count && r >= 0; i++) {
		if (s->devices[i].kind != MACHINE_PASSED || first_of(s, i) != i)
			continue;
		r = pass_add(&m->vm, &s->devices[i].passed, &m->iommu, e);
		for (size_t j = 0; j < s->device_count && r >= 0; j++)
			if (j != i && s->devices[j].kind == MACHINE_PASSED && first_of(s, j) == i)
				r = pass_add(&m->vm, &s->devices[j].passed, &m->iommu, e);
	}
	return r;
}

int devices_add_virtio(struct machine *m, struct err *e)
{
	const struct machine_spec *s = m->spec;
	int r = 0;

	for (size_t i = 0; i < s->virtio_count && r >= 0; i++)
		r = virtio_plug(&m->vm, &s->virtio[i], e);
	if (r >= 0 && s->console == CONSOLE_VIRTIO)
		r = virtio_console_add(&m->vm, &m->console, e);
	if (r >= 0 && s->port_count)
		r = virtio_ports_add(&m->vm, s->ports, s->port_count, &m->ports, e);
	for (unsigned i = 0; i < m->spec->slots && r >= 0; i++)
		r = pci_add_port(&m->vm, e);
	return r;
}
