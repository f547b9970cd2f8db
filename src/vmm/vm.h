/* SPDX-License-Identifier: MIT */
#ifndef VMM_VM_H
#define VMM_VM_H

#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/loop.h"
#include "vmm/memory.h"

#include <pthread.h>

struct machine;
struct pass_group;
struct pci_root;
struct cpu;

/*
 * One guest. The main thread owns device state; vCPU threads take `lock` before they dispatch an
 * access to a bus. Fields without a comment on threads belong to the holder of the lock.
 */
struct vm {
	const char *name;
	int kvm_fd;
	int fd; /* KVM_CREATE_VM */
	pthread_mutex_t lock;
	struct memory memory;
	struct bus ports;
	struct bus mmio;
	struct irq irq;
	struct loop loop;
	struct pci_root *pci;
	struct pass_group *pass; /* what passed-through devices share; NULL while there are none */
	unsigned cpu_count;
	struct cpu *cpus;
};

#endif
