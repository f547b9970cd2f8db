/* SPDX-License-Identifier: MIT */
#ifndef VMM_COALESCE_H
#define VMM_COALESCE_H

#include "vmm/lock.h"

#include <stdint.h>

struct err;
struct vm;
struct kvm_coalesced_mmio_ring;

/*
 * Port writes that KVM keeps in a ring instead of exiting for each: output to the serial port then
 * costs few exits. The ring is emptied before any other access is dispatched, so a device sees all
 * accesses in the guest's order.
 * Ref: linux/kvm.h KVM_REGISTER_COALESCED_MMIO, KVM_CAP_COALESCED_PIO
 */
struct coalesce {
	struct lock lock; /* of a drain: a write is dispatched before what its vCPU does next */
	struct kvm_coalesced_mmio_ring *ring; /* NULL: this KVM has none */
	uint64_t taken; /* writes that cost no exit; under the lock */
};

/* @run: a vCPU's mapping, in which KVM keeps the VM's one ring. */
void coalesce_init(struct vm *vm, void *run);

/* Keeps writes of one byte to @port in the ring. Return: 0, -ENOTSUP, -errno. */
int coalesce_port(struct vm *vm, uint16_t port);

/* Dispatches what the ring holds. Context: without a device's lock. Return: how many writes. */
unsigned coalesce_drain(struct vm *vm);

#endif
