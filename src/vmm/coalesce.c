/* SPDX-License-Identifier: MIT */
#include "vmm/coalesce.h"

#include "base/endian.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <unistd.h>

WALL_CALL(main, ioctl, KVM_CHECK_EXTENSION, KVM_REGISTER_COALESCED_MMIO);

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

/* Pairs with KVM's barrier between filling an entry and moving `last`. */
static bool is_empty(const struct kvm_coalesced_mmio_ring *ring)
{
	return __atomic_load_n(&ring->first, __ATOMIC_ACQUIRE) ==
	       __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE);
}

unsigned coalesce_drain(struct vm *vm)
{
	struct kvm_coalesced_mmio_ring *ring = vm->coalesce.ring;
	unsigned count = 0;

	if (!ring || is_empty(ring))
		return 0;
	lock_take(&vm->coalesce.lock);
	while (!is_empty(ring)) {
		struct kvm_coalesced_mmio m = ring->coalesced_mmio[ring->first];
		if (m.pio && m.len && m.len <= sizeof(m.data))
			bus_write(&vm->ports, m.phys_addr, m.len, le_get(m.data, m.len));
		/* Moved on last: an empty ring means that all is dispatched. */
		__atomic_store_n(
			&ring->first, (ring->first + 1) % ring_entries(), __ATOMIC_RELEASE);
		count++;
	}
	vm->coalesce.taken += count;
	lock_drop(&vm->coalesce.lock);
	return count;
}
