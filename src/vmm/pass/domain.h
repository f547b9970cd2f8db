/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_DOMAIN_H
#define VMM_PASS_DOMAIN_H

#include "base/log.h"
#include "vfio/ioas.h"
#include "vmm/lock.h"
#include "vmm/memory.h"

#include <stdbool.h>

struct err;
struct pass_dev;
struct vm;

/*
 * What all passed-through devices of a guest share: one I/O address space, in which IOVA is
 * guest-physical address, and KVM's list of VFIO groups.
 *
 * Only the main thread removes from `devices`, after it has waited for an attachment; so it and the
 * attachment's worker walk the list without a lock. A vCPU walks it under vm->cure, a device's
 * worker under `reset`. pass_domain_link() publishes a complete device, which needs no lock.
 * pass_domain_remove() takes both locks: on return no thread is at the device.
 */
struct pass_domain {
	struct vm *vm;
	struct vfio_ioas ioas;
	struct vfio_iommu iommu;
	struct memory_listener listener; /* maps RAM for DMA */
	bool peers; /* devices may reach each other's BARs */
	bool told; /* a message said that they cannot */
	bool deserted; /* atomic: the last device has left: nothing is mapped for anybody */
	uint64_t peer_bytes; /* of BARs, mapped for DMA now */
	int kvm; /* KVM-VFIO device, -1 when KVM has none */
	bool kvm_has_groups; /* an old KVM, that knows devices by their groups */
	struct log_guest without_kvm; /* asked anew at each reboot */
	/* Held for a whole reset of a bus: by workers, and by who removes a device. */
	struct lock reset;
	struct pass_dev *devices; /* the last plugged first; dropped ones too */
};

/*
 * The guest's group, made at the first call: takes over @ioas_fd, which @iommu describes, and
 * maps the guest's RAM for DMA. Return: 0; -EINVAL another I/O address space than before;
 * -EADDRINUSE RAM where the IOMMU takes no address; vfio_ioas_map()'s.
 */
int pass_domain_get(struct vm *vm, int ioas_fd, const struct vfio_iommu *iommu,
	struct pass_domain **ret, struct err *e);

/*
 * The same for an I/O address space of any back end; it moves into the domain. Return: 0, -ENOMEM,
 * vfio_ioas_map()'s.
 */
int pass_domain_start(struct vm *vm, const struct vfio_ioas *ioas, const struct vfio_iommu *iommu,
	struct pass_domain **ret, struct err *e);

/*
 * For a device that comes while the guest runs: the domain of the guest, if *@ioas_fd is another
 * descriptor of its I/O address space. Without a domain, one that takes over *@ioas_fd (it is then
 * -1), has guest memory mapped for DMA, and is nobody's until pass_domain_publish();
 * pass_domain_end() undoes it. Context: without a lock; to pin memory takes seconds.
 * Return: 0; -EINVAL another I/O address space; -ENODEV it is closed; as pass_domain_get().
 */
int pass_domain_join(struct vm *vm, int *ioas_fd, struct pass_domain **ret, struct err *e);
void pass_domain_publish(struct pass_domain *g);
void pass_domain_end(struct pass_domain *g);

/* Undoes pass_domain_add() of a device that does not come. */
void pass_domain_withdraw(struct pass_domain *g, struct pass_dev *d);

/*
 * Tells KVM of @d, so that it knows whether DMA snoops the caches. A KVM of Linux 6.6 and later
 * takes the device's descriptor; an earlier one wants the group's, which the keeper lends. Twice is
 * fine, and so is a KVM that has no such device. Return: 0, -errno.
 */
int pass_domain_add(struct pass_domain *g, struct pass_dev *d, struct err *e);

/* Has KVM let go of @d's descriptor, which would keep the device open; before it is closed. */
void pass_domain_drop(struct pass_domain *g, struct pass_dev *d);

/*
 * A device of the VFIO group with number @group has left (it is dropped). After the last one of it
 * the keeper closes the group: the host must not wait for anything of ours.
 */
void pass_domain_leave(struct pass_domain *g, int group);

/*
 * Lets the guest's devices reach each other's BARs, if IOMMU and kernel can map them (peer to
 * peer). A failure is logged once, and usher continues without it. Before the first BAR is placed.
 */
void pass_domain_peers(struct pass_domain *g);

/* struct vm.fault: traps all mapped BARs. Return: false if none was mapped. Context: vm->cure. */
bool pass_fault(struct vm *vm);

/*
 * Adds @d, which is complete, to the guest's devices. Waits for a reset of a bus that is going on.
 * Context: one thread at a time, without a lock.
 */
void pass_domain_link(struct pass_domain *g, struct pass_dev *d);

/*
 * Removes @d from the guest's devices; a device that was never added is accepted. On return no
 * vCPU and no other device's worker uses @d. Waits for a reset of a bus that is going on.
 * Context: one thread at a time, without a lock; vCPUs may run.
 */
void pass_domain_remove(struct pass_dev *d);

/*
 * Return: true if no other function of @d's card is left in the guest. Context: an event that the
 * loop serves. A device that has been removed meanwhile is freed after that (loop_settle).
 */
bool pass_domain_is_last(const struct pass_dev *d);

/* Checks that devices can reach all of [@gpa, +@size). Return: 0, -EADDRINUSE. */
int pass_domain_check(const struct vfio_iommu *iommu, gpa_t gpa, uint64_t size, struct err *e);

#endif
