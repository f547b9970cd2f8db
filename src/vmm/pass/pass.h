/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_PASS_H
#define VMM_PASS_PASS_H

#include "pci/address.h"
#include "vmm/pass/rom.h"

#include <stdbool.h>
#include <stddef.h>

struct err;
struct vfio_iommu;
struct vm;

/*
 * PCI passthrough: a VFIO device as a function on the guest's bus, as if it were physically
 * attached. The descriptors come from the keeper; this process opens nothing.
 */
struct pass_spec {
	struct pci_address address; /* on the host */
	/* descriptor of the I/O address space; shared by all devices (vfio_ioas_from_fd) */
	int ioas;
	int group; /* number of its VFIO group, which the keeper holds */
	int device; /* VFIO device */
	bool peers; /* this guest's devices may reach each other's BARs */
	enum pass_rom_source rom;
	int rom_fd; /* of the file, if that is the source: taken over */
	unsigned trace; /* bit N: BAR N is trapped, and each access is printed */
};

/*
 * Opens the device and plugs it behind a root port of its own. A function of a card whose function
 * 0 the guest has already is plugged beside that one. The first device of an I/O address space has
 * guest memory mapped for DMA (by a memory_listener). The descriptors become this module's on
 * success.
 * @iommu: what its IOMMU can do (vfio_ioas_info). Return: 0, -errno with a sentence.
 */
int pass_add(
	struct vm *vm, const struct pass_spec *spec, const struct vfio_iommu *iommu, struct err *e);

/*
 * Attaches the functions of one card to the running guest: into an empty slot, with the events of a
 * card that is plugged in. Function 0 is the first of @specs. Peers: as the guest's first device.
 * The descriptors are taken over in any case. On failure they are closed; the guest is as it was.
 * Context: a worker, without a lock; may take seconds. Not during a reboot.
 * Return: 0; -ENOSPC no slot is empty; -EINVAL; -errno with a sentence.
 */
#define PASS_FUNCTIONS_MAX 8
int pass_attach(struct vm *vm, struct pass_spec *specs, size_t count, struct err *e);

/* Registers the devices with the new VM of a guest that reboots (vm_renew). Return: 0, -errno. */
int pass_renew(struct vm *vm, struct err *e);

/* Closes the I/O address space and KVM's VFIO device: after pci_fini() and memory_fini(). */
void pass_fini(struct vm *vm);

#endif
