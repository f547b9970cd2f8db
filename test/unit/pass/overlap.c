/* SPDX-License-Identifier: MIT */
/*
 * A guest places BARs of two devices over each other, while faults trap them and one device leaves.
 */
#include "base/num.h"
#include "pass/pass_rig.h"
#include "suite.h"
#include "vmm/pass/domain.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>

#define MEM PCI_COMMAND_MEMORY

static void put(struct pass_dev *d, unsigned off, unsigned size, uint32_t value)
{
	rig_config_write(d, off, size, value);
	rig_check();
}

/*
 * A BAR waits for its place while all BARs are trapped. It is mapped when the place is free, and a
 * late access must not map it a second time. Everything of a device that leaves must go.
 */
START_TEST(no_page_outlives_its_device)
{
	rig_start(suite_fixtures, "accel");
	struct pass_dev *second = rig_add(suite_fixtures, "e1000e");
	put(second, PCI_BASE_ADDRESS_3, 4, 0xc8000000);
	put(second, PCI_COMMAND, 2, MEM);
	put(rig.dev, PCI_BASE_ADDRESS_1, 4, 0xc8000000);
	put(rig.dev, PCI_COMMAND, 2, MEM);
	(void)rig_fault();
	rig_check();
	put(second, PCI_BASE_ADDRESS_3, 4, 0xc9000000);
	(void)rig_mmio_read(0xc8000000, 4);
	rig_check();
	ck_assert(rig_maps(rig.dev, 0xc8000000));
	pass_dev_drop(rig.dev);
	rig_check();
	ck_assert(!rig_maps(rig.dev, 0xc8000000));
	rig_stop();
}
END_TEST

/* The same within one device. */
START_TEST(no_page_outlives_its_bar)
{
	rig_start(suite_fixtures, "e1000e");
	(void)rig_add(suite_fixtures, "nvme");
	put(rig.dev, PCI_BASE_ADDRESS_3, 4, 0xc8000000);
	put(rig.dev, PCI_BASE_ADDRESS_0, 4, 0xc8000000);
	put(rig.dev, PCI_COMMAND, 2, MEM);
	(void)rig_fault();
	rig_check();
	put(rig.dev, PCI_BASE_ADDRESS_3, 4, 0xc9000000);
	(void)rig_mmio_read(0xc8000000, 4);
	rig_check();
	rig_stop();
}
END_TEST

/* Mapped and trapped pieces are in two lists, but neither may be placed over the other. */
START_TEST(mapped_and_trapped_exclude_each_other)
{
	rig_start(suite_fixtures, "nvme"); /* pages 0 and 1 mapped, 2 and 3 trapped */
	struct pass_dev *second = rig_add(suite_fixtures, "e1000e");
	put(second, PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	put(second, PCI_COMMAND, 2, MEM);
	put(rig.dev, PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	put(rig.dev, PCI_COMMAND, 2, MEM);
	const struct func_bar *b = &rig.dev->bars.bar[0];
	for (unsigned k = 0; k < b->piece_count; k++)
		ck_assert_int_eq(b->pieces[k].state, FUNC_PIECE_WAITING);
	put(second, PCI_COMMAND, 2, 0);
	for (unsigned k = 0; k < b->piece_count; k++)
		ck_assert_int_ne(b->pieces[k].state, FUNC_PIECE_WAITING);
	/* The other way round: the trapped page of the first blocks a mapped page of the second. */
	put(second, PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	put(second, PCI_COMMAND, 2, MEM);
	ck_assert_int_eq(second->bars.bar[0].pieces[0].state, FUNC_PIECE_WAITING);
	rig_stop();
}
END_TEST

/* Listeners that take whole tables, as vhost does, are called once for all BARs of a function. */
START_TEST(bars_come_and_go_in_one_change)
{
	rig_start(suite_fixtures, "e1000e");
	put(rig.dev, PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	put(rig.dev, PCI_BASE_ADDRESS_1, 4, 0xc0100000);
	put(rig.dev, PCI_BASE_ADDRESS_3, 4, 0xc0200000);
	rig.changes = 0;
	put(rig.dev, PCI_COMMAND, 2, MEM);
	ck_assert_uint_gt(rig.vm.memory.count, 2);
	ck_assert_uint_eq(rig.changes, 1);
	put(rig.dev, PCI_COMMAND, 2, 0);
	ck_assert_uint_eq(rig.vm.memory.count, 0);
	ck_assert_uint_eq(rig.changes, 2);
	/*
	 * Two BARs of one function at one place: the first has it. The third BAR is not affected.
	 */
	put(rig.dev, PCI_BASE_ADDRESS_1, 4, 0xc0000000);
	put(rig.dev, PCI_COMMAND, 2, MEM);
	ck_assert(rig_maps(rig.dev, 0xc0000000));
	ck_assert(rig_maps(rig.dev, 0xc0201000));
	ck_assert_int_eq(rig.dev->bars.bar[1].pieces[0].state, FUNC_PIECE_WAITING);
	/* The listener refuses: all pieces are trapped. */
	put(rig.dev, PCI_COMMAND, 2, 0);
	rig.map_error = -ENOSPC;
	put(rig.dev, PCI_COMMAND, 2, MEM);
	ck_assert_uint_eq(rig.vm.memory.count, 0);
	ck_assert_int_eq(rig.dev->bars.bar[0].pieces[0].state, FUNC_PIECE_TRAPPED);
	rig.map_error = 0;
	rig_stop();
}
END_TEST

static void stir(struct pass_dev *d)
{
	static const uint32_t places[] = {
		0xc0000000, 0xc0001000, 0xc0002000, 0xc0004000, 0xc0010000, 0xc0020000, 0x10000, 0};
	unsigned reg = PCI_BASE_ADDRESS_0 + 4 * ((unsigned)rand() % 6);
	uint32_t at = places[(unsigned)rand() % COUNT(places)];

	switch (rand() % 6) {
	case 0:
	case 1:
		rig_config_write(d, reg, 4, at);
		break;
	case 2:
		rig_config_write(d, PCI_COMMAND, 2, rand() % 4);
		break;
	case 3:
		rig.map_error = rand() % 4 ? 0 : -ENOSPC;
		(void)rig_fault();
		break;
	case 4:
		rig_mmio_write(at + (unsigned)rand() % 0x4000, 1, 0);
		break;
	default:
		(void)rig_mmio_read(at + (unsigned)rand() % 0x4000, 1);
		break;
	}
}

/* Overlapping BARs, faults, late accesses and removal, in random orders. */
START_TEST(pieces_are_where_their_states_say)
{
	static const char *const names[] = {"nvme", "e1000e", "accel"};

	for (unsigned seed = 0; seed < 60; seed++) {
		rig_start(suite_fixtures, names[seed % 3]);
		struct pass_dev *second = rig_add(suite_fixtures, names[seed / 3 % 3]);
		srand(seed);
		for (unsigned i = 0; i < 400; i++) {
			stir(rand() % 2 ? second : rig.dev);
			rig_forget();
		}
		rig.map_error = 0;
		rig_eject(seed % 2 ? second : rig.dev);
		rig_check();
		rig_stop();
	}
}
END_TEST

SUITE("pass_overlap", bars_come_and_go_in_one_change, no_page_outlives_its_device,
	no_page_outlives_its_bar, mapped_and_trapped_exclude_each_other,
	pieces_are_where_their_states_say)
