/* SPDX-License-Identifier: MIT */
/* vmm/pci, as far as vmm/pass calls it: slots that only remember what was asked of them. */
#include "base/err.h"
#include "pass/pass_rig.h"

int pci_intx_gsi(const struct pci_func *f, unsigned pin)
{
	return 15 + (int)pin;
}

int pci_plug(struct vm *vm, struct pci_func *f, const char *name, struct err *e)
{
	if (rig.during_plug)
		rig.during_plug();
	return rig.plug_error ? err_set(e, rig.plug_error, "plug") : 0;
}

void pci_plug_beside(struct pci_func *first, struct pci_func *f)
{
	f->port = first->port;
}

void pci_announce(struct pci_func *f)
{
	vfio_model_note(&rig.model, "announce");
}

void pci_request_unplug(struct pci_func *f)
{
	vfio_model_note(&rig.model, "ask");
}

bool pci_unplug_acknowledged(const struct pci_func *f)
{
	return rig.answers;
}

void pci_unplug(struct pci_func *f)
{
	vfio_model_note(&rig.model, "pull");
	lock_take(f->lock);
	f->ops->eject(f);
	lock_drop(f->lock);
}

void pci_port_atomics(struct pci_func *f, uint32_t bits)
{
}
