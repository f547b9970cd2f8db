/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * The reservation is one PROT_NONE mapping; a device's pages replace parts of it by MAP_FIXED.
 * The kernel unmaps the old pages before it asks the device's driver. When the driver refuses
 * (-EBUSY: a boot framebuffer owns the BAR), the call leaves a hole. The hole is refilled by
 * MAP_FIXED_NOREPLACE, which never replaces the mapping of another thread. If another mapping is
 * in the hole, the reservation ends there: what follows the hole is unmapped, the hole is left.
 */
#include "vmm/pass/reserve.h"

#include "base/num.h"
#include "vfio/region.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#define RESERVE_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

WALL_CALL(main | worker, mmap);
WALL_CALL(main | worker, munmap);

int pass_reserve_make(struct pass_reserve *s, uint64_t size, uint64_t align)
{
	uint64_t wide = size + align;
	/* cppcheck-suppress invalidFunctionArg; -1 is what anonymous memory is mapped from */
	char *p = mmap(NULL, wide, PROT_NONE, RESERVE_FLAGS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	char *start = p + (align_up((uintptr_t)p, align) - (uintptr_t)p);
	if (start > p)
		(void)munmap(p, (size_t)(start - p));
	if (start + size < p + wide)
		(void)munmap(start + size, (size_t)(p + wide - (start + size)));
	*s = (struct pass_reserve){.at = start, .size = size};
	return 0;
}

/* Return: 0: [@off, +@size) is reserved; -EEXIST something is mapped there; -errno. */
static int reserve_refill(const struct pass_reserve *s, uint64_t off, uint64_t size)
{
	char *at = s->at + off;
	/* cppcheck-suppress invalidFunctionArg; -1 is what anonymous memory is mapped from */
	void *p = mmap(at, size, PROT_NONE, RESERVE_FLAGS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	if (p == at)
		return 0; /* cppcheck-suppress memleak; pass_reserve_free() unmaps it */
	(void)munmap(p, size); /* a kernel before 4.17 takes the address for a wish */
	return -EEXIST;
}

/*
 * What is mapped in [@off, +@size) may be the reservation itself, untouched by a refusal that came
 * early. The kernel does not say, so these addresses are given up: they are never used again.
 */
static void reserve_cut(struct pass_reserve *s, uint64_t off, uint64_t size)
{
	if (off + size < s->size)
		(void)munmap(s->at + off + size, s->size - (off + size));
	s->size = off;
}

int pass_reserve_map(struct pass_reserve *s, struct vfio_dev *d, const struct vfio_region *region,
	uint64_t off, uint64_t size, void **ret)
{
	if (!range_ok(off, size, s->size))
		return -ERANGE;
	int r = vfio_region_map(d, region, off, size, s->at + off, ret);
	if (r < 0 && reserve_refill(s, off, size) < 0)
		reserve_cut(s, off, size);
	return r;
}

void pass_reserve_free(struct pass_reserve *s)
{
	if (s->size)
		(void)munmap(s->at, s->size);
	*s = (struct pass_reserve){0};
}
