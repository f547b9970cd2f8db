/* SPDX-License-Identifier: MIT */
/* The reserved addresses of a BAR whose pages the host refuses to map. */
#include "vmm/pass/reserve.h"

#include "base/num.h"
#include "pass/pass_rig.h"
#include "suite.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/mman.h>

#define SIZE MIB(16)

static char *stranger; /* what another thread maps into the hole */
static uint64_t stranger_off; /* [bytes] from the hole's start */

static void leave_hole(void *at, size_t len)
{
}

static void fill_hole(void *at, size_t len)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;

	stranger = mmap((char *)at + stranger_off, KIB(4), PROT_READ | PROT_WRITE, flags, -1, 0);
	ck_assert_ptr_ne(stranger, MAP_FAILED);
	*stranger = 0x5a;
}

static bool is_mapped(char *at)
{
	unsigned char page;

	return mincore(at, KIB(4), &page) == 0;
}

static struct vfio_model model;
static const struct vfio_region region = {.size = SIZE};

static struct vfio_dev device_load(void)
{
	struct vfio_dev d;

	vfio_model_load(&model, suite_fixtures, "nvme");
	ck_assert_int_eq(vfio_dev_from_model(&vfio_model_ops, &model, &d, NULL), 0);
	return d;
}

START_TEST(a_refused_map_leaves_no_hole)
{
	struct pass_reserve s = {0};
	void *host;

	struct vfio_dev d = device_load();
	ck_assert_int_eq(pass_reserve_make(&s, SIZE, SIZE), 0);
	ck_assert_uint_eq((uintptr_t)s.at % SIZE, 0);
	char *at = s.at;
	model.busy_map = leave_hole;
	ck_assert_int_eq(pass_reserve_map(&s, &d, &region, KIB(8), MIB(8), &host), -EBUSY);
	for (uint64_t off = 0; off < SIZE; off += KIB(4))
		ck_assert(is_mapped(at + off));
	/* A later try may succeed. */
	model.busy_map = NULL;
	ck_assert_int_eq(pass_reserve_map(&s, &d, &region, KIB(8), MIB(8), &host), 0);
	ck_assert_ptr_eq(host, at + KIB(8));
	pass_reserve_free(&s);
	for (uint64_t off = 0; off < SIZE; off += KIB(4))
		ck_assert(!is_mapped(at + off));
	vfio_model_free(&model);
}
END_TEST

START_TEST(a_strangers_mapping_in_the_hole_stays)
{
	struct pass_reserve s = {0};
	void *host;

	struct vfio_dev d = device_load();
	for (stranger_off = 0; stranger_off < MIB(8); stranger_off += MIB(2)) {
		ck_assert_int_eq(pass_reserve_make(&s, SIZE, SIZE), 0);
		char *at = s.at;
		model.busy_map = fill_hole;
		ck_assert_int_eq(pass_reserve_map(&s, &d, &region, MIB(4), MIB(8), &host), -EBUSY);
		model.busy_map = NULL;
		/*
		 * From the stranger's mapping on, the reserve is not used again. The part before it
		 * is.
		 */
		ck_assert_int_eq(pass_reserve_map(&s, &d, &region, MIB(4), KIB(4), &host), -ERANGE);
		ck_assert_int_eq(
			pass_reserve_map(&s, &d, &region, MIB(12), KIB(4), &host), -ERANGE);
		ck_assert(!is_mapped(at + MIB(12)));
		ck_assert_int_eq(pass_reserve_map(&s, &d, &region, 0, KIB(4), &host), 0);
		ck_assert_int_eq(*stranger, 0x5a);
		pass_reserve_free(&s);
		ck_assert(!is_mapped(at));
		ck_assert_int_eq(*stranger, 0x5a);
		(void)munmap(stranger, KIB(4));
	}
	vfio_model_free(&model);
}
END_TEST

/* As with a boot framebuffer: the BAR works, but each access exits. */
START_TEST(a_bar_that_cannot_be_mapped_is_trapped)
{
	rig_prepare(suite_fixtures, "e1000e");
	rig.model.busy_map = leave_hole;
	ck_assert_int_eq(rig_learn(NULL), 0);
	rig.model.busy_map = NULL;
	char *at = rig.dev->regions[0].reserve.at;
	ck_assert_ptr_nonnull(at);
	ck_assert(is_mapped(at));
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(rig.vm.memory.count, 0);
	rig.model.regions[0].memory[0x1c] = 0x33;
	ck_assert_uint_eq(rig_mmio_read(0xc000001c, 1), 0x33);
	pass_dev_drop(rig.dev);
	ck_assert(!is_mapped(at));
	rig_stop();
}
END_TEST

SUITE("pass_reserve", a_refused_map_leaves_no_hole, a_strangers_mapping_in_the_hole_stays,
	a_bar_that_cannot_be_mapped_is_trapped)
