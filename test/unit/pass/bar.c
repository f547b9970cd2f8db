/* SPDX-License-Identifier: MIT */
/*
 * Where the BARs of a passed-through device are in the guest, and whether they are mapped or
 * trapped.
 */
#include "base/err.h"
#include "base/num.h"
#include "pass/pass_rig.h"
#include "suite.h"
#include "vmm/pass/domain.h"
#include "vmm/pass/function.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/mman.h>

#define MEM PCI_COMMAND_MEMORY
#define IO PCI_COMMAND_IO
#define PLACE 0xc0000000

static struct pass_domain domain;

/* The fixture @name with the BAR of register @reg at PLACE, decoding memory. */
static void start_placed(const char *name, unsigned reg)
{
	rig_start(suite_fixtures, name);
	rig_write(reg, 4, PLACE);
	rig_write(PCI_COMMAND, 2, MEM);
}

/* From here to stop_owned() the guest knows the device: pass_fault() finds it. */
static void own_device(void)
{
	domain = (struct pass_domain){.reset = LOCK_INIT(LOCK_RESET), .devices = rig.dev};
	rig.vm.pass = &domain;
}

static void stop_owned(void)
{
	rig.vm.pass = NULL;
	rig_stop();
}

START_TEST(maps_the_pages_beside_the_table)
{
	rig_start(suite_fixtures, "nvme");
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_write(PCI_BASE_ADDRESS_1, 4, 0x1);
	ck_assert_str_eq(rig_log(), "");
	rig_write(PCI_COMMAND, 2, MEM);
	/* Registers and doorbells mapped; table page and PBA page trapped. */
	ck_assert_str_eq(rig_log(), "attach16 set0:0+1 cfg04=2 +1c0000000:2000");
	ck_assert_uint_eq(rig.vm.mmio.count, 1);
	ck_assert_uint_eq(rig.vm.mmio.ranges[0]->base, 0x1c0002000);
	ck_assert_uint_eq(rig.vm.mmio.ranges[0]->size, 0x2000);

	/* The mapped pages belong to the device. */
	uint8_t *host = rig.vm.memory.ranges[0].host;
	rig.model.regions[0].memory[0x14] = 0x5a;
	ck_assert_uint_eq(host[0x14], 0x5a);
	ck_assert_uint_eq((uintptr_t)host % 0x4000, 0); /* aligned as the BAR */
	rig_stop();
}
END_TEST

/*
 * Huge faults need an alignment of up to 1 GiB. The test maps several BARs of each size, with odd
 * mappings in between, so that the kernel's own choice of addresses is not aligned by chance.
 */
START_TEST(aligns_as_huge_pages_need_it)
{
	static const uint64_t sizes[] = {KIB(64), MIB(2), MIB(64), MIB(512), GIB(1), GIB(8)};
	struct err e = {0};

	for (size_t i = 0; i < 4 * COUNT(sizes); i++) {
		uint64_t size = sizes[i % COUNT(sizes)], align = min_u64(size, GIB(1));
		void *odd = mmap(NULL, KIB(4) * (2 * i + 1), PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		ck_assert_ptr_ne(odd, MAP_FAILED);
		rig_prepare(suite_fixtures, "accel");
		struct model_region *r = &rig.model.regions[3]; /* 64 bits wide */
		r->size = size;
		r->areas[0].size = size - KIB(8);
		r->areas[0].off = 0;
		r->area_count = 1;
		ck_assert_msg(rig_learn(&e) == 0, "%s", e.msg);
		rig_write(PCI_BASE_ADDRESS_4, 4, 0x40);
		rig_write(PCI_BASE_ADDRESS_3, 4, 0);
		rig_write(PCI_COMMAND, 2, MEM);
		ck_assert_uint_eq(rig.vm.memory.count, 1);
		const struct memory_range *m = &rig.vm.memory.ranges[0];
		ck_assert_msg((uintptr_t)m->host % align == (m->gpa.v & (align - 1)),
			"%" PRIu64 " KiB at %p", size >> 10, m->host);
		rig_stop();
	}
}
END_TEST

START_TEST(unmaps_before_the_device_hears_of_it)
{
	rig_start(suite_fixtures, "nvme");
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_write(PCI_COMMAND, 2, MEM | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	rig_forget();
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	ck_assert_str_eq(rig_log(), "-c0000000 cfg04=4");
	rig_write(PCI_COMMAND, 1, MEM | PCI_COMMAND_MASTER);
	rig_forget();
	rig_write(0x64, 2, 3); /* D3hot */
	ck_assert_str_eq(rig_log(), "-c0000000 cfg64=3");
	ck_assert_uint_eq(rig.vm.mmio.count, 0);
	rig_forget();
	rig_write(0x64, 2, 0);
	ck_assert_str_eq(rig_log(), "cfg64=0 +c0000000:2000");
	rig_stop();
}
END_TEST

START_TEST(believes_the_device_about_its_power)
{
	start_placed("nvme", PCI_BASE_ADDRESS_0);
	rig_forget();
	rig.model.config[0x61 - 1] = 0; /* without its PM capability the model ignores the write */
	rig_write(0x64, 1, 3);
	ck_assert_str_eq(rig_log(), "-c0000000 cfg64=3 +c0000000:2000");
	rig.model.config[0x60] = PCI_CAP_ID_PM;
	rig_stop();
}
END_TEST

START_TEST(takes_a_size_probe_for_no_address)
{
	start_placed("nvme", PCI_BASE_ADDRESS_0);
	rig_forget();
	/* Sizing with decoding on: first the low half, then the high half. */
	ck_assert_uint_eq(rig_size(PCI_BASE_ADDRESS_0), 0xffffc004);
	ck_assert_str_eq(rig_log(), "-c0000000 +c0000000:2000");
	rig_forget();
	ck_assert_uint_eq(rig_size(PCI_BASE_ADDRESS_1), 0xffffffff);
	ck_assert_str_eq(rig_log(), "-c0000000 +c0000000:2000");
	rig_forget();
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000004); /* the same address, with its flags */
	ck_assert_str_eq(rig_log(), "");
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xd0000000);
	ck_assert_str_eq(rig_log(), "-c0000000 +d0000000:2000");
	/* The highest place below 4 GiB is an address if the guest has written it as one. */
	rig_forget();
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xffffc000);
	ck_assert_str_eq(rig_log(), "-d0000000 +ffffc000:2000");
	rig_stop();
}
END_TEST

START_TEST(traps_ports_and_small_bars)
{
	rig_start(suite_fixtures, "e1000e");
	rig_write(PCI_BASE_ADDRESS_2, 4, 0x1000);
	rig_write(PCI_COMMAND, 2, IO);
	ck_assert_uint_eq(rig.vm.ports.count, 1);
	ck_assert_uint_eq(rig.vm.mmio.count, 0);
	bus_write(&rig.vm.ports, 0x1004, 4, 0x12345678);
	ck_assert_uint_eq(rig.model.regions[2].memory[4], 0x78);
	ck_assert_uint_eq(bus_read(&rig.vm.ports, 0x1005, 2), 0x3456);
	rig_write(PCI_BASE_ADDRESS_2, 4, 0xffff0000); /* no such port */
	ck_assert_uint_eq(rig.vm.ports.count, 0);
	rig_stop();

	rig_start(suite_fixtures, "accel");
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000100);
	rig_write(PCI_COMMAND, 2, MEM);
	ck_assert_uint_eq(rig.vm.mmio.count, 1);
	ck_assert_uint_eq(rig.vm.mmio.ranges[0]->size, 0x100);
	ck_assert_uint_eq(rig.vm.memory.count, 0);
	rig.model.regions[0].memory[0x42] = 0x99;
	ck_assert_uint_eq(rig_mmio_read(0xc0000142, 1), 0x99);
	rig.model.dead = true;
	ck_assert_uint_eq(rig_mmio_read(0xc0000142, 4), UINT32_MAX);
	rig.model.dead = false;
	rig_stop();
}
END_TEST

START_TEST(shows_the_rom_when_it_is_on)
{
	rig_start(suite_fixtures, "e1000e");
	rig.model.regions[6].memory[0] = 0x55;
	rig_write(PCI_COMMAND, 2, MEM);
	rig_write(PCI_ROM_ADDRESS, 4, 0xd0000000);
	ck_assert_uint_eq(rig_mmio_read(0xd0000000, 1), 0xff);
	rig_write(PCI_ROM_ADDRESS, 4, 0xd0000001);
	ck_assert_uint_eq(rig_mmio_read(0xd0000000, 1), 0x55);
	rig_mmio_write(0xd0000000, 1, 0);
	ck_assert_uint_eq(rig_mmio_read(0xd0000000, 1), 0x55);
	rig_stop();
}
END_TEST

START_TEST(keeps_to_sparse_areas)
{
	rig_start(suite_fixtures, "accel");
	rig_write(PCI_BASE_ADDRESS_4, 4, 0x40);
	rig_write(PCI_BASE_ADDRESS_3, 4, 0);
	rig_write(PCI_COMMAND, 2, MEM);
	ck_assert_ptr_nonnull(
		strstr(rig_log(), "cfg04=2 +4000000000:1000000 +4100000000:80000000"));
	/* Trapped: from the first area (the half page goes with it) to the last, and the rest. */
	ck_assert_uint_eq(rig.vm.mmio.count, 2);
	ck_assert_uint_eq(rig.vm.mmio.ranges[0]->base, 0x4001000000);
	ck_assert_uint_eq(rig.vm.mmio.ranges[1]->base, 0x4180000000);
	ck_assert_uint_eq(rig.vm.mmio.ranges[1]->size, 0x80000000);
	rig_stop();
}
END_TEST

START_TEST(cuts_a_table_that_shares_its_page)
{
	start_placed("accel", PCI_BASE_ADDRESS_1);
	/* Table at 0x1800, PBA at 0x2000: pages 1 and 2 trapped, 0 and 3 mapped. */
	ck_assert_ptr_nonnull(strstr(rig_log(), "+c0000000:1000 +c0003000:1000"));
	rig.model.regions[1].memory[0x1000] = 0x11;
	ck_assert_uint_eq(rig_mmio_read(0xc0001000, 1), 0x11);
	ck_assert_uint_eq(rig_mmio_read(0xc000180c, 4), 1); /* masked */
	rig_stop();
}
END_TEST

START_TEST(traps_what_cannot_be_mapped)
{
	rig_start(suite_fixtures, "nvme");
	rig.map_error = -ENOSPC; /* no memslot left */
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_write(PCI_COMMAND, 2, MEM);
	ck_assert_uint_eq(rig.vm.memory.count, 0);
	ck_assert_uint_gt(rig.vm.space.full.count, 0); /* it is said */
	ck_assert_uint_eq(rig.vm.mmio.count, 2);
	rig.model.regions[0].memory[0x1c] = 0x33;
	ck_assert_uint_eq(rig_mmio_read(0xc000001c, 1), 0x33);
	rig.map_error = 0;
	rig_stop();
}
END_TEST

/* KVM may have fewer memslots than usher has ranges. */
START_TEST(traps_beyond_the_limit_of_kvm)
{
	rig_start(suite_fixtures, "nvme");
	rig.vm.memory.limit = 1;
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_write(PCI_COMMAND, 2, MEM);
	ck_assert_uint_eq(rig.vm.memory.count, 1);
	ck_assert_uint_eq(rig.vm.space.full.count, 0);
	struct pass_dev *second = rig_add(suite_fixtures, "nvme");
	rig_config_write(second, PCI_BASE_ADDRESS_0, 4, 0xc8000000);
	rig_config_write(second, PCI_COMMAND, 2, MEM);
	ck_assert_uint_eq(rig.vm.memory.count, 1);
	ck_assert_uint_eq(rig.vm.space.full.count, 1);
	rig_stop();
}
END_TEST

START_TEST(traps_what_went_away)
{
	start_placed("nvme", PCI_BASE_ADDRESS_0);
	ck_assert(!rig_fault()); /* the guest has no device yet */
	own_device();
	size_t mapped = rig.vm.memory.count;
	ck_assert_uint_gt(mapped, 0);
	ck_assert(rig_fault());
	ck_assert_uint_eq(rig.vm.memory.count, 0);
	rig.model.dead = true;
	ck_assert_uint_eq(rig_mmio_read(0xc000001c, 4), UINT32_MAX);
	rig_mmio_write(0xc000001c, 4, 1);
	ck_assert_uint_eq(rig.vm.memory.count, 0);
	/* A second fault has another cause. */
	ck_assert(!rig_fault());
	rig.model.dead = false;
	rig_write(PCI_COMMAND, 2, 0);
	ck_assert_uint_eq(rig_mmio_read(0xc000001c, 4), UINT32_MAX);
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(rig.vm.memory.count, mapped);
	stop_owned();
}
END_TEST

START_TEST(maps_again_where_the_device_answers)
{
	start_placed("accel", PCI_BASE_ADDRESS_1); /* pages 1 and 2 trapped, 0 and 3 mapped */
	own_device();
	size_t mapped = rig.vm.memory.count, trapped = rig.vm.mmio.count;
	rig_forget();
	ck_assert(rig_fault());
	size_t pieces = rig.vm.mmio.count;
	ck_assert_uint_eq(pieces, trapped + mapped);

	/*
	 * An access, be it a read or a write, maps its own piece only. The table's piece stays
	 * trapped.
	 */
	rig_forget();
	rig.model.regions[1].memory[0x3010] = 0x77;
	ck_assert_uint_eq(rig_mmio_read(0xc0003010, 1), 0x77);
	ck_assert_str_eq(rig_log(), "+c0003000:1000");
	rig_mmio_write(0xc0000020, 1, 0x66);
	ck_assert_uint_eq(rig.model.regions[1].memory[0x20], 0x66);
	ck_assert_str_eq(rig_log(), "+c0003000:1000 +c0000000:1000");
	ck_assert_uint_eq(rig_mmio_read(0xc000180c, 4), 1);
	ck_assert_uint_eq(rig.vm.mmio.count, pieces - 2);

	/*
	 * The next fault traps them again. A BAR that moves meanwhile is not mapped at its old
	 * place.
	 */
	rig_forget();
	ck_assert(rig_fault());
	ck_assert_str_eq(rig_log(), "-c0000000 -c0003000");
	rig_write(PCI_BASE_ADDRESS_1, 4, 0xd0000000);
	ck_assert_ptr_nonnull(strstr(rig_log(), "+d0000000:1000 +d0003000:1000"));
	rig_forget();
	ck_assert_uint_eq(rig_mmio_read(0xc0003010, 1), 0xff);
	ck_assert_str_eq(rig_log(), "");
	stop_owned();
}
END_TEST

START_TEST(a_piece_without_room_stays_trapped)
{
	start_placed("nvme", PCI_BASE_ADDRESS_0);
	own_device();
	ck_assert(rig_fault());
	rig.map_error = -ENOSPC;
	rig.model.regions[0].memory[0x1c] = 0x33;
	ck_assert_uint_eq(rig_mmio_read(0xc000001c, 1), 0x33);
	ck_assert_uint_eq(rig.vm.memory.count, 0);
	ck_assert_uint_eq(rig_mmio_read(0xc000001c, 1), 0x33);
	rig.map_error = 0;
	stop_owned();
}
END_TEST

/* A vCPU exits for a page that another vCPU's access has mapped again meanwhile. */
START_TEST(an_access_that_comes_late_is_served)
{
	uint64_t missed;

	rig_start(suite_fixtures, "nvme");
	ck_assert_uint_eq(rig_mmio_read(0xc000001c, 1), 0xff); /* no devices yet */
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_write(PCI_COMMAND, 2, MEM);
	own_device();
	ck_assert(rig_fault());
	rig.model.regions[0].memory[0x1c] = 0x33;
	missed = rig.vm.mmio.missed;
	rig_mmio_write(0xc0000014, 1, 0x11);
	ck_assert_uint_eq(rig.model.regions[0].memory[0x14], 0x11);
	ck_assert_uint_eq(rig.vm.memory.count, 1);
	rig_mmio_write(0xc0000014, 1, 0x22);
	ck_assert_uint_eq(rig.model.regions[0].memory[0x14], 0x22);
	ck_assert_uint_eq(rig_mmio_read(0xc000001c, 1), 0x33);
	ck_assert_uint_eq(rig.vm.mmio.missed, missed);
	/* Next to the BAR, across its end, and at its old place, nothing answers. */
	ck_assert_uint_eq(rig_mmio_read(0xbfffffff, 1), 0xff);
	ck_assert_uint_eq(rig_mmio_read(0xc0001ffe, 4), UINT32_MAX);
	rig_write(PCI_COMMAND, 2, 0);
	ck_assert_uint_eq(rig_mmio_read(0xc000001c, 1), 0xff);
	ck_assert_uint_eq(rig.vm.mmio.missed, missed + 3);
	stop_owned();
}
END_TEST

/* A vCPU got EFAULT, and another one removed the pages before it had the lock: it may try again. */
START_TEST(whoever_takes_pages_says_so)
{
	start_placed("nvme", PCI_BASE_ADDRESS_0);
	uint64_t seen = vm_cures(&rig.vm);
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000); /* nothing goes */
	ck_assert_uint_eq(vm_cures(&rig.vm), seen);
	rig_write(PCI_COMMAND, 2, 0);
	ck_assert_uint_ne(vm_cures(&rig.vm), seen);
	rig_write(PCI_COMMAND, 2, MEM);
	own_device();
	seen = vm_cures(&rig.vm);
	ck_assert(rig_fault());
	ck_assert_uint_ne(vm_cures(&rig.vm), seen);
	ck_assert_uint_eq(rig_mmio_read(0xc000001c, 1), 0);
	seen = vm_cures(&rig.vm);
	pass_dev_drop(rig.dev);
	ck_assert_uint_ne(vm_cures(&rig.vm), seen);
	stop_owned();
}
END_TEST

START_TEST(a_bar_gets_the_place_that_another_leaves)
{
	start_placed("e1000e", PCI_BASE_ADDRESS_0);
	rig_write(PCI_BASE_ADDRESS_1, 4, 0xc0100000);
	size_t both = rig.vm.memory.count;
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0100000);
	ck_assert_uint_lt(rig.vm.memory.count, both);
	rig_write(PCI_BASE_ADDRESS_1, 4, 0xc0200000);
	ck_assert_uint_eq(rig.vm.memory.count, both);
	struct bus_range *late = pci_space_late(&rig.vm.mmio, 0xc0100000, 4);
	ck_assert_ptr_eq(late, &rig.dev->bars.bar[0].pieces[0].range);
	pin_drop(&late->pins);
	rig_stop();
}
END_TEST

static struct pass_dev *add_second(void)
{
	struct pass_dev *d = pass_func_new(&rig.vm, (struct pci_address){.bus = 2});
	struct err e = {0};

	ck_assert_int_eq(vfio_dev_from_model(&vfio_model_ops, &rig.model, &d->vfio, &e), 0);
	ck_assert_msg(pass_dev_learn(d, &e) == 0, "%s", e.msg);
	own_device();
	d->next = rig.dev;
	domain.devices = d;
	rig.shared = true;
	return d;
}

START_TEST(and_so_does_another_devices)
{
	rig_start(suite_fixtures, "nvme");
	struct pass_dev *second = add_second();
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_write(PCI_COMMAND, 2, MEM);
	rig_config_write(second, PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_config_write(second, PCI_COMMAND, 2, MEM);
	ck_assert(!rig_maps(second, 0xc0000000));
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xd0000000);
	ck_assert(rig_maps(second, 0xc0000000));
	ck_assert_uint_eq(rig.vm.memory.count, 2);
	ck_assert_uint_eq(rig.vm.mmio.count, 2); /* trapped pieces as well */
	/* The same when one device is gone for good. */
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	ck_assert(!rig_maps(rig.dev, 0xc0000000));
	pass_func_ops.fini(&second->func);
	ck_assert_ptr_eq(domain.devices, rig.dev);
	ck_assert(rig_maps(rig.dev, 0xc0000000));
	stop_owned();
}
END_TEST

START_TEST(leaves_out_what_cannot_be_there)
{
	static uint8_t ram[0x10000] __attribute__((aligned(4096)));
	struct memory_range r = {.gpa = GPA(0x10000), .size = sizeof(ram), .host = ram};

	rig_start(suite_fixtures, "nvme");
	ck_assert_int_eq(memory_add(&rig.vm.memory, &r, NULL), 0);
	rig_forget();
	rig_write(PCI_BASE_ADDRESS_0, 4, 0x1c000); /* over RAM */
	rig_write(PCI_COMMAND, 2, MEM);
	ck_assert_uint_eq(rig.vm.memory.count, 1);
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	ck_assert_uint_eq(rig.vm.memory.count, 2);
	rig_write(PCI_BASE_ADDRESS_1, 4, 0x80000000); /* beyond any physical address */
	ck_assert_uint_eq(rig.vm.memory.count, 1);
	rig_write(PCI_BASE_ADDRESS_1, 4, 0);
	rig_write(PCI_BASE_ADDRESS_0, 4, 0);
	ck_assert_uint_eq(rig.vm.memory.count, 1);
	ck_assert_int_eq(memory_remove(&rig.vm.memory, GPA(0x10000)), 0);
	rig_stop();
}
END_TEST

START_TEST(cuts_regions_by_pages)
{
	struct vfio_region r = {.size = 0x10000, .area_count = 1, .areas = {{0, 0x10000}}};
	struct pass_hole holes[] = {{0x3ff8, 0x10}, {0xf000, 8}};
	struct pass_span s[PASS_SPANS_MAX];

	ck_assert_uint_eq(pass_bar_cut(&r, holes, 0, s), 1);
	ck_assert(s[0].mapped && s[0].size == 0x10000);
	ck_assert_uint_eq(pass_bar_cut(&r, holes, 2, s), 4);
	ck_assert(s[1].off == 0x3000 && s[1].size == 0x2000 && !s[1].mapped);
	ck_assert(s[2].off == 0x5000 && s[2].size == 0xa000 && s[2].mapped);
	ck_assert(s[3].off == 0xf000 && s[3].size == 0x1000 && !s[3].mapped);
	r.areas[0] = (struct vfio_area){0x800, 0x1000}; /* contains no whole page */
	ck_assert_uint_eq(pass_bar_cut(&r, holes, 2, s), 1);
	ck_assert(!s[0].mapped && s[0].size == 0x10000);
	/* The maximum of areas, each with a gap after it. */
	r.size = VFIO_AREAS_MAX * UINT64_C(0x4000);
	r.area_count = VFIO_AREAS_MAX;
	for (unsigned i = 0; i < VFIO_AREAS_MAX; i++)
		r.areas[i] = (struct vfio_area){i * UINT64_C(0x4000), 0x3000};
	unsigned n = pass_bar_cut(&r, holes, 2, s);
	ck_assert_uint_le(n, PASS_SPANS_MAX);
	uint64_t end = 0;
	for (unsigned i = 0; i < n; end = s[i].off + s[i].size, i++)
		ck_assert_uint_eq(s[i].off, end);
	ck_assert_uint_eq(end, r.size);
}
END_TEST

SUITE("pass_bar", maps_the_pages_beside_the_table, aligns_as_huge_pages_need_it,
	unmaps_before_the_device_hears_of_it, believes_the_device_about_its_power,
	takes_a_size_probe_for_no_address, traps_ports_and_small_bars, shows_the_rom_when_it_is_on,
	keeps_to_sparse_areas, cuts_a_table_that_shares_its_page, traps_what_cannot_be_mapped,
	traps_beyond_the_limit_of_kvm, traps_what_went_away, maps_again_where_the_device_answers,
	a_piece_without_room_stays_trapped, an_access_that_comes_late_is_served,
	whoever_takes_pages_says_so, a_bar_gets_the_place_that_another_leaves,
	and_so_does_another_devices, leaves_out_what_cannot_be_there, cuts_regions_by_pages)
