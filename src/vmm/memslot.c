/* SPDX-License-Identifier: MIT */
#include "vmm/memslot.h"

#include "base/err.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

WALL_CALL(main | vcpu | worker, ioctl, KVM_SET_USER_MEMORY_REGION);

static int slot_map(struct memory_listener *l, const struct memory_range *r, struct err *e)
{
	struct memslots *s = container_of(l, struct memslots, listener);
	uint32_t slot = 0;

	while (slot < MEMORY_RANGES_MAX && s->used[slot])
		slot++;
	if (slot == MEMORY_RANGES_MAX)
		return err_say(e, -ENOSPC, "map guest memory: all memslots are in use");
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = r->readonly ? KVM_MEM_READONLY : 0U,
		.guest_phys_addr = r->gpa.v,
		.memory_size = r->size,
		.userspace_addr = (uintptr_t)r->host,
	};
	if (ioctl(s->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return err_set(e, -errno, "map %" PRIu64 " bytes of guest memory at 0x%" PRIx64,
			r->size, r->gpa.v);
	s->used[slot] = true;
	s->gpa[slot] = r->gpa;
	return 0;
}

static void slot_unmap(struct memory_listener *l, const struct memory_range *r)
{
	struct memslots *s = container_of(l, struct memslots, listener);

	for (uint32_t slot = 0; slot < MEMORY_RANGES_MAX; slot++) {
		if (!s->used[slot] || s->gpa[slot].v != r->gpa.v)
			continue;
		/* Size 0 deletes the slot. KVM refuses that only for an unused slot. */
		struct kvm_userspace_memory_region region = {
			.slot = slot,
			.guest_phys_addr = r->gpa.v,
		};
		(void)ioctl(s->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
		s->used[slot] = false;
		return;
	}
}

void memslots_init(struct memslots *s, int vm_fd)
{
	*s = (struct memslots){
		.listener = {.name = "kvm", .map = slot_map, .unmap = slot_unmap},
		.vm_fd = vm_fd,
	};
}

int memslots_renew(struct memslots *s, const struct memory *m, int vm_fd, struct err *e)
{
	s->vm_fd = vm_fd;
	for (size_t i = 0; i < MEMORY_RANGES_MAX; i++)
		s->used[i] = false;
	for (size_t i = 0; i < m->count; i++) {
		int r = slot_map(&s->listener, &m->ranges[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}
