/* SPDX-License-Identifier: MIT */
#include "vmm/coalesce.h"

#include "base/endian.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

void coalesce_init(struct vm *vm, void *run)
{
	int page = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);

	if (page <= 0 || ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_PIO) <= 0)
		return;
	vm->coalesce.ring = (void *)((char *)run + (long)page * sysconf(_SC_PAGESIZE));
}

int coalesce_port(struct vm *vm, uint16_t port)
{
	struct kvm_coalesced_mmio_zone zone = {.addr = port, .size = 1, .pio = 1};

	if (!vm->coalesce.ring)
		return -ENOTSUP;
	return ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &zone) < 0 ? -errno : 0;
}

static unsigned ring_entries(void)
{
	return (unsigned)(((size_t)sysconf(_SC_PAGESIZE) - sizeof(struct kvm_coalesced_mmio_ring)) /
			  sizeof(struct kvm_coalesced_mmio));
}

unsigned coalesce_drain(struct vm *vm)
{
	struct kvm_coalesced_mmio_ring *ring = vm->coalesce.ring;
	unsigned n = 0;

	if (!ring)
		return 0;
	/* Pairs with KVM's barrier between filling an entry and moving `last`. */
	while (ring->first != __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE)) {
		struct kvm_coalesced_mmio m = ring->coalesced_mmio[ring->first];
		/* Moved on first: a device may let go of the lock while it waits. */
		__atomic_store_n(
			&ring->first, (ring->first + 1) % ring_entries(), __ATOMIC_RELEASE);
		if (m.pio && m.len && m.len <= sizeof(m.data))
			bus_write(&vm->ports, m.phys_addr, m.len, le_get(m.data, m.len));
		n++;
	}
	vm->coalesce.taken += n;
	return n;
}
