/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_PCI_H
#define VMM_VIRTIO_PCI_H

#include "vmm/loop.h"
#include "vmm/pci/endpoint.h"
#include "vmm/virtio/device.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct vm;

/*
 * A virtio device as a PCI Express endpoint: the modern transport, without the legacy one.
 *
 * How it works. BAR 0 has all registers, a page for each kind: a driver's write to the doorbell
 * page signals an eventfd in KVM, without an exit, and the main thread calls the device. Interrupts
 * are MSI-X, a vector for the configuration and one for each queue; a driver without MSI-X gets
 * INTx and reads the ISR status. The capability PCI_CFG reaches the same registers through
 * configuration space, for firmware that has not placed BARs yet.
 *
 * Ref: virtio 1.2, 4.1.
 */
struct virtio_pci;

struct virtio_kick {
	struct virtio_pci *pci;
	unsigned queue;
	struct bus_doorbell doorbell;
	struct loop_source source;
	bool in_loop; /* the main thread watches it */
};

struct virtio_pci {
	struct endpoint endpoint;
	struct virtio_transport transport;
	struct virtio_device *device;
	uint32_t offered_select, accepted_select; /* which 32 bits of the features */
	uint16_t queue_select;
	uint16_t config_vector; /* 0xffff: none */
	uint16_t queue_vectors[VIRTIO_QUEUES_MAX];
	uint8_t isr;
	struct virtio_kick kicks[VIRTIO_QUEUES_MAX];
	struct virtio_pci *next; /* of vm.virtio */
};

/*
 * Makes the function of @d; pci_plug() puts it into the guest. @class: 24 bits. Return: 0, -errno;
 * then virtio_pci_fini().
 */
int virtio_pci_init(struct virtio_pci *p, struct vm *vm, struct virtio_device *d, uint32_t class,
	struct err *e);

/*
 * Other programs get the eventfds of interrupts and doorbells: nothing waits for what they do with
 * them. Context: before pci_plug().
 */
void virtio_pci_share(struct virtio_pci *p);

/* Of a function that was never plugged; a plugged one is finished with its slot. */
void virtio_pci_fini(struct virtio_pci *p);

#endif
