/* SPDX-License-Identifier: MIT */
#ifndef VMM_VM_H
#define VMM_VM_H

#include "vmm/bus.h"
#include "vmm/coalesce.h"
#include "vmm/cpu.h"
#include "vmm/irq.h"
#include "vmm/lock.h"
#include "vmm/loop.h"
#include "vmm/memory.h"
#include "vmm/memslot.h"
#include "vmm/panic.h"
#include "vmm/pci/space.h"
#include "vmm/stats/timing.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/disks.h"
#include "vmm/virtio/nets.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct keeper;
struct kvm_cpuid2;
struct pass_domain;
struct pci_root;
struct virtio_pci;

/* How a guest ended. */
enum vm_end {
	VM_RUNNING,
	VM_POWEROFF, /* it powered off */
	VM_REBOOT, /* it asked for a reset */
	VM_STOPPED, /* it was told to stop: vm_interrupt() */
	VM_CRASHED, /* it did what no machine can go on from: why says what */
	VM_FAILED, /* we, or KVM, could not go on */
};

/*
 * One guest. The main thread builds it, runs the loop and takes it down; vCPU threads, workers and
 * outboxes run beside it (vmm/lock.h). What has no lock of its own below is written by the main
 * thread alone, while no other thread runs.
 */
struct vm {
	const char *name;
	int kvm_fd;
	int fd; /* KVM_CREATE_VM */
	struct memory memory;
	struct memslots slots;
	struct bus ports;
	struct bus mmio;
	struct pci_space space;
	struct coalesce coalesce;
	struct irq irq;
	struct loop loop;
	struct panic panic;
	struct pci_root *pci;
	struct virtio_pci *virtio; /* the first one of a list; main thread */
	/*
	 * A vCPU cannot go on for a page that is mapped and not there (EFAULT). Return: true: it
	 * may try again. NULL while nothing is mapped but RAM. Context: one thread at a time.
	 */
	bool (*fault)(struct vm *vm);
	struct lock cure; /* of vm_cure() and `faults` */
	uint64_t faults; /* how often one could go on: none that the guest itself can bring about */
	uint64_t cures; /* atomic, see vm_cure() and vm_cured() */
	struct keeper *keeper; /* NULL: no call to it succeeds */
	struct pass_domain *pass; /* what passed-through devices share; NULL while there are none */
	struct kvm_cpuid2 *cpuid; /* what KVM supports, see cpuid_read() */
	struct virtio_disks disks;
	struct virtio_nets nets;
	struct virtio_balloons balloons;
	bool packed_rings; /* of virtio devices, if their driver can */
	unsigned transfers; /* pins: the kernel moves data of guest memory for an emulated device */
	unsigned phys_bits; /* width of a guest-physical address: no wider than the IOMMU's */
	unsigned cpu_count;
	struct cpu *cpus;
	uint64_t exits[CPU_EXITS]; /* of processors before the last reboot */
	struct timing timing; /* main thread */
	int interrupts_fd; /* /proc/interrupts for --stats, -1 */
	bool triple_fault; /* atomic: a processor had one since the last boot */
	bool paused; /* atomic, for reading: the processors wait; see cpus_pause() */
	pthread_mutex_t pausing; /* for writing `paused`; taken without any lock */
	pthread_cond_t resumed;
	bool commanded; /* the keeper asked for the last reset; main thread */
	pthread_mutex_t ending; /* for writing `end` and `why`; taken last, for a moment */
	enum vm_end end; /* atomic, for reading */
	int interrupted; /* with VM_STOPPED: by this signal, or as if by it */
	char why[256]; /* read when all threads are back */
};

/*
 * Creates an empty VM. @kvm_fd: of /dev/kvm, taken over in any case.
 * Return: 0, -ENOTSUP when this KVM lacks what is needed, -errno.
 */
int vm_init(struct vm *vm, const char *name, int kvm_fd, struct err *e);
void vm_fini(struct vm *vm);

/*
 * A new VM in the place of the old one, for a guest that reboots: nothing that it left in KVM
 * (clocks in its memory, time registers, pending interrupts) can outlive it. Guest memory, the
 * devices and the IOMMU's mappings stay as they are. Processors and interrupt controllers are
 * gone with it: for their owners to make anew. Return: 0, -errno.
 */
int vm_renew(struct vm *vm, struct err *e);

/*
 * Ends the guest. The first call counts, later ones do nothing; but VM_STOPPED counts after a
 * VM_REBOOT, because a guest that is to stop must not boot again. @fmt: why, a sentence.
 * Context: any thread, any lock.
 */
void vm_stop(struct vm *vm, enum vm_end end, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Ends the guest with VM_STOPPED, as signal @number would. Otherwise as vm_stop(). */
void vm_interrupt(struct vm *vm, int number, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * A device has removed its pages by itself, which need not end the guest. Several vCPUs may fault
 * at once; the first one cures it for all. @seen: vm_cures() before the
 * KVM_RUN that failed with EFAULT. Return: true: it may try again.
 */
bool vm_cure(struct vm *vm, uint64_t seen);

/*
 * Mapped pages were taken from the guest: a vCPU that came upon them while they were going may try
 * again, whoever took them. Context: any thread.
 */
static inline void vm_cured(struct vm *vm)
{
	(void)__atomic_fetch_add(&vm->cures, 1, __ATOMIC_RELEASE);
}

/* Context: any thread. */
static inline uint64_t vm_cures(const struct vm *vm)
{
	return __atomic_load_n(&vm->cures, __ATOMIC_ACQUIRE);
}

/* Context: any thread. */
static inline enum vm_end vm_ended(const struct vm *vm)
{
	return __atomic_load_n(&vm->end, __ATOMIC_ACQUIRE);
}

#endif
