/* SPDX-License-Identifier: MIT */
/* What a guest sees in the configuration space of a passed-through device, and what is hidden. */
#include "base/endian.h"
#include "base/err.h"
#include "pass/pass_rig.h"
#include "suite.h"
#include "vmm/pass/function.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

/* Offset of standard capability @id in the guest's list; 0: none. */
static unsigned find(unsigned id)
{
	unsigned pos = rig_read(PCI_CAPABILITY_LIST, 1), n = 0;

	for (; pos; pos = rig_read(pos + 1, 1)) {
		ck_assert_uint_lt(n++, 48);
		if (rig_read(pos, 1) == id)
			return pos;
	}
	return 0;
}

static unsigned find_ext(unsigned id)
{
	unsigned pos = 0x100, n = 0;

	while (pos) {
		uint32_t header = rig_read(pos, 4);
		ck_assert_uint_lt(n++, 960);
		if (PCI_EXT_CAP_ID(header) == id)
			return pos;
		pos = PCI_EXT_CAP_NEXT(header);
	}
	return 0;
}

START_TEST(shows_the_device_as_itself)
{
	rig_start(suite_fixtures, "nvme");
	ck_assert_uint_eq(rig_read(PCI_VENDOR_ID, 4), 0x00101b36);
	ck_assert_uint_eq(rig_read(PCI_CLASS_REVISION, 4), 0x01080202);
	ck_assert_uint_eq(rig_read(PCI_SUBSYSTEM_VENDOR_ID, 2), 0x1af4);
	ck_assert_uint_eq(
		rig_read(PCI_COMMAND, 2) & 7, 0); /* as after power-on, though VFIO says 3 */
	ck_assert_uint_eq(find(PCI_CAP_ID_MSIX), 0x40);
	ck_assert_uint_eq(find(PCI_CAP_ID_EXP), 0x80);
	ck_assert_uint_eq(find(PCI_CAP_ID_PM), 0x60);
	ck_assert_uint_eq(rig_read(0x42, 2), 64); /* 65 vectors, off */
	ck_assert_uint_eq(rig_read(0x84, 4), 0x10008000); /* FLR is there */
	rig_stop();
}
END_TEST

START_TEST(sizes_every_kind_of_bar)
{
	rig_start(suite_fixtures, "e1000e");
	ck_assert_uint_eq(rig_read(PCI_BASE_ADDRESS_0, 4), 0); /* not the host's address */
	ck_assert_uint_eq(rig_size(PCI_BASE_ADDRESS_0), 0xfffe0000);
	ck_assert_uint_eq(rig_size(PCI_BASE_ADDRESS_2), 0xffffffe1);
	ck_assert_uint_eq(rig_size(PCI_BASE_ADDRESS_3), 0xffffc000);
	ck_assert_uint_eq(rig_size(PCI_BASE_ADDRESS_4), 0);
	ck_assert_uint_eq(rig_size(PCI_ROM_ADDRESS), 0xfffc0001);
	rig_stop();

	rig_start(suite_fixtures, "accel");
	ck_assert_uint_eq(rig_size(PCI_BASE_ADDRESS_0), 0xffffff00);
	ck_assert_uint_eq(rig_size(PCI_BASE_ADDRESS_1), 0xffffc004);
	ck_assert_uint_eq(rig_size(PCI_BASE_ADDRESS_2), 0xffffffff);
	ck_assert_uint_eq(rig_size(PCI_BASE_ADDRESS_3), 0x0000000c); /* 8 GiB */
	ck_assert_uint_eq(rig_size(PCI_BASE_ADDRESS_4), 0xfffffffe);
	rig_stop();
}
END_TEST

START_TEST(hides_what_a_guest_cannot_use)
{
	rig_start(suite_fixtures, "accel");
	ck_assert_uint_eq(find(PCI_CAP_ID_EA), 0);
	ck_assert_uint_eq(find(PCI_CAP_ID_EXP), 0x90); /* after the hidden one */
	ck_assert_uint_eq(find_ext(PCI_EXT_CAP_ID_ARI), 0);
	ck_assert_uint_eq(find_ext(PCI_EXT_CAP_ID_SRIOV), 0);
	ck_assert_uint_eq(find_ext(PCI_EXT_CAP_ID_ATS), 0);
	ck_assert_uint_eq(find_ext(PCI_EXT_CAP_ID_ERR), 0x140);
	ck_assert_uint_eq(find_ext(PCI_EXT_CAP_ID_DSN), 0x300);
	ck_assert_uint_eq(rig_read(0x204, 4), 0);
	rig_forget();
	rig_write(0x208, 2, 1); /* VF enable */
	ck_assert_str_eq(rig_log(), "");
	/*
	 * On the host it is part of the root complex; in the guest it is an endpoint with a link.
	 */
	ck_assert_uint_eq(rig_read(0x92, 2), 0x0002);
	ck_assert_uint_eq(rig_read(0x9c, 4) & 0x3ff, 0x11);
	ck_assert_uint_eq(rig_read(0xa2, 2) & 0x3ff, 0x11);
	rig_stop();
}
END_TEST

START_TEST(is_one_function_with_a_line_of_its_own)
{
	rig_start(suite_fixtures, "accel");
	ck_assert_uint_eq(rig_read(PCI_HEADER_TYPE, 1), 0); /* multifunction on the host */
	ck_assert_uint_eq(rig_read(PCI_INTERRUPT_PIN, 1), 1); /* INTC on the host */
	rig_write(PCI_INTERRUPT_LINE, 1, 11);
	ck_assert_uint_eq(rig_read(PCI_INTERRUPT_LINE, 1), 11);
	ck_assert_uint_eq(rig_read(PCI_INTERRUPT_LINE, 4), 0x0000010b);
	rig_stop();
}
END_TEST

START_TEST(shows_a_virtual_function_as_a_device)
{
	rig_start(suite_fixtures, "nvme_vf");
	ck_assert_uint_eq(rig_size(PCI_BASE_ADDRESS_0), 0xffffc004);
	ck_assert_uint_eq(rig_read(PCI_INTERRUPT_PIN, 1), 0);
	ck_assert_uint_eq(rig_read(0x42, 2), 0); /* one vector */
	ck_assert_uint_eq(
		rig_read(0x100, 4), 0); /* no extended capabilities, ARI was the only one */
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(rig_read(PCI_COMMAND, 2) & 7, PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(rig.vm.memory.count, 1);
	rig_stop();
}
END_TEST

START_TEST(bounds_configuration_space)
{
	rig_start(suite_fixtures, "nvme");
	rig.dev->config.size = 256;
	ck_assert_uint_eq(rig_read(0x100, 4), UINT32_MAX);
	rig_forget();
	rig_write(0x100, 4, 1);
	ck_assert_str_eq(rig_log(), "");
	rig_stop();
}
END_TEST

START_TEST(survives_lists_that_lead_nowhere)
{
	struct pass_config c = {.size = 4096};
	struct err e;

	for (unsigned loop = 0; loop < 256; loop++) {
		memset(&c, 0, sizeof(c));
		c.size = 4096;
		c.raw[PCI_STATUS] = PCI_STATUS_CAP_LIST;
		memset(c.raw + 0x40, (int)loop, 0xfc0);
		c.raw[PCI_CAPABILITY_LIST] = (uint8_t)(loop ^ 0x40);
		(void)pass_config_init(&c, &e);
		pass_chain_link(&c);
		/* The capabilities that are left must be a list with an end. */
		unsigned pos = pass_config_get(&c, PCI_CAPABILITY_LIST, 1), n = 0;
		for (; pos; pos = pass_config_merge(&c, pos + 1, 1, c.raw[pos + 1]))
			ck_assert_uint_lt(n++, 48);
		for (pos = 0x100, n = 0; pos; n++) {
			ck_assert_uint_lt(n, 960);
			pos = PCI_EXT_CAP_NEXT(
				pass_config_merge(&c, pos, 4, le32_get(c.raw + pos)));
		}
	}
}
END_TEST

/* One without 64-bit address and masks has 10 bytes; all of them fit at 0xf4, 24 do not. */
START_TEST(msi_has_the_size_that_its_flags_say)
{
	static const struct {
		unsigned flags, last; /* the last place where it fits */
	} kinds[] = {{0, 0xf4}, {0x80, 0xf0}, {0x100, 0xec}, {0x180, 0xe8}};
	struct pass_config c;
	struct err e;

	for (unsigned i = 0; i < COUNT(kinds); i++) {
		for (unsigned pos = kinds[i].last; pos < 0x100; pos += 4) {
			c = (struct pass_config){.size = 256};
			c.raw[PCI_STATUS] = PCI_STATUS_CAP_LIST;
			c.raw[PCI_CAPABILITY_LIST] = (uint8_t)pos;
			c.raw[pos] = PCI_CAP_ID_MSI;
			le16_put(c.raw + pos + PCI_MSI_FLAGS, (uint16_t)kinds[i].flags);
			ck_assert_int_eq(pass_config_init(&c, &e), 0);
			ck_assert_uint_eq(c.msi, pos == kinds[i].last ? pos : 0);
		}
	}
}
END_TEST

START_TEST(refuses_what_is_no_endpoint)
{
	struct pass_config c = {.size = 256};
	struct err e;

	memset(c.raw, 0xff, sizeof(c.raw));
	ck_assert_int_eq(pass_config_init(&c, &e), -ENODEV);
	memset(&c, 0, sizeof(c));
	c.raw[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
	ck_assert_int_eq(pass_config_init(&c, &e), -EINVAL);
	memset(&c, 0, sizeof(c));
	c.raw[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	c.raw[PCI_CAPABILITY_LIST] = 0x40;
	c.raw[0x40] = PCI_CAP_ID_EXP;
	c.raw[0x42] = PCI_EXP_TYPE_DOWNSTREAM << 4 | 2;
	ck_assert_int_eq(pass_config_init(&c, &e), -EINVAL);
}
END_TEST

/* A type 0 header with these extended capabilities, the first one at 0x100. */
static struct pass_config *with_ext(const uint32_t *words, unsigned count)
{
	static struct pass_config c;
	struct err e = {0};

	c = (struct pass_config){.size = 4096};
	le32_put(c.raw, 0x12345678);
	for (unsigned i = 0; i < count; i++)
		le32_put(c.raw + 0x100 + (size_t)4 * i, words[i]);
	ck_assert_int_eq(pass_config_init(&c, &e), 0);
	pass_chain_link(&c);
	return &c;
}

/*
 * Each hidden capability is between two others: the list skips it, and its registers read as zero.
 * The numbers are from the specification, not from our header.
 */
START_TEST(hides_each_extended_capability_of_the_hosts)
{
	static const struct {
		const char *name;
		unsigned id;
	} hidden[] = {
		{"ARI", 0x0e},
		{"ATS", 0x0f},
		{"SR-IOV", 0x10},
		{"MR-IOV", 0x11},
		{"PRI", 0x13},
		{"TPH", 0x17},
		{"PASID", 0x1b},
		{"DPC", 0x1d},
		{"L1 PM substates", 0x1e},
		{"PTM", 0x1f},
		{"VF resizable BAR", 0x24},
	};

	for (size_t i = 0; i < COUNT(hidden); i++) {
		const uint32_t words[] = {0x11010003, 1, 2, 0, /* a serial number */
			0x12010000 | hidden[i].id, UINT32_MAX, UINT32_MAX, UINT32_MAX, /* 0x110 */
			0x00010004, 3, 4, 5}; /* power budgeting, at 0x120 */
		struct pass_config *c = with_ext(words, COUNT(words));

		ck_assert_msg(pass_config_merge(c, 0x100, 4, words[0]) == 0x12010003,
			"%s is linked", hidden[i].name);
		for (unsigned off = 0x110; off < 0x120; off += 4)
			ck_assert_msg(pass_config_merge(c, off, 4, words[(off - 0x100) / 4]) == 0,
				"%s shows at 0x%x", hidden[i].name, off);
		ck_assert_uint_eq(pass_config_merge(c, 0x120, 4, words[8]), 0x00010004);
	}
}
END_TEST

START_TEST(resizable_bars_have_the_size_they_have)
{
	/* BAR 0 with 256 MiB of up to 8 GiB, BAR 2 with 32 MiB; then a serial number. */
	const uint32_t words[] = {0x12010015, 0x0003fff0, 0x00000840, 0x00001ff0, 0x00000502, 0, 0,
		0, 0x00010003, 1, 2};
	struct pass_config *c = with_ext(words, COUNT(words));

	ck_assert_uint_eq(pass_config_merge(c, 0x104, 4, words[1]), 1U << (8 + 4));
	ck_assert_uint_eq(pass_config_merge(c, 0x108, 4, words[2]), 0x840);
	ck_assert_uint_eq(pass_config_merge(c, 0x10c, 4, words[3]), 1U << (5 + 4));
	pass_config_store(c, 0x108, 4, 0x1f40);
	ck_assert_uint_eq(pass_config_get(c, 0x108, 4), 0x840);
	/* Next, the serial number, at the end of the list. */
	ck_assert_uint_eq(pass_config_merge(c, 0x100, 4, words[0]), 0x12010015);
	ck_assert_uint_eq(pass_config_merge(c, 0x120, 4, words[8]), 0x00010003);
}
END_TEST

START_TEST(hides_resizable_bars_that_make_no_sense)
{
	/* Seven BARs; and one that is cut short by the next capability. */
	const uint32_t many[] = {0x12010015, 0x3fff0, 0x8e0, 0, 0, 0, 0, 0, 0x00010003, 1, 2};
	const uint32_t cut[] = {0x10c10015, 0x3fff0, 0x840, 0x00010003, 1, 2};

	ck_assert_uint_eq(
		pass_config_merge(with_ext(many, COUNT(many)), 0x100, 4, many[0]), 0x12000000);
	ck_assert_uint_eq(
		pass_config_merge(with_ext(cut, COUNT(cut)), 0x100, 4, cut[0]), 0x10c00000);
	ck_assert_uint_eq(pass_config_merge(with_ext(cut, COUNT(cut)), 0x104, 4, cut[1]), 0);
}
END_TEST

START_TEST(resets_a_function_as_hardware_does)
{
	rig_start(suite_fixtures, "nvme");
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	rig_forget();
	rig_write(0x88, 2, PCI_EXP_DEVCTL_BCR_FLR);
	/*
	 * First the guest's mappings go, then comes the reset, then the command register as VFIO
	 * restored it.
	 */
	ck_assert_str_eq(rig_log(), "-c0000000 detach16 off0 cfg88=8000 cfg04=0");
	ck_assert_uint_eq(rig_read(PCI_BASE_ADDRESS_0, 4), 4);
	ck_assert_uint_eq(rig_read(PCI_COMMAND, 2) & 7, 0);
	rig_stop();
}
END_TEST

START_TEST(resets_the_device_only_after_use)
{
	rig_start(suite_fixtures, "nvme");
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.resets, 0); /* opening it was a reset */
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.resets, 1);
	ck_assert_uint_eq(rig.vm.memory.count, 0);
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.resets, 1);
	rig_stop();
}
END_TEST

/* A guest writes random values everywhere, on a device that is present and on one that is gone. */
static void scribble(const char *name, unsigned seed, unsigned rounds)
{
	rig_start(suite_fixtures, name);
	srand(seed);
	for (unsigned i = 0; i < rounds; i++) {
		unsigned size = 1U << (rand() % 3);
		unsigned off = (unsigned)rand() % (i % 2 ? 0x100 : 4096) & ~(size - 1);
		uint32_t value = (uint32_t)rand() ^ (uint32_t)rand() << 16;
		rig.model.dead = i > rounds - 1000;
		if (i % 3)
			rig_write(off, size, i % 5 ? value : UINT32_MAX);
		else
			(void)rig_read(off, size);
		if (rig.vm.mmio.count && i % 7 == 0) {
			struct bus_range *r =
				rig.vm.mmio.ranges[(unsigned)rand() % rig.vm.mmio.count];
			uint64_t at = (uint64_t)rand() % r->size & ~UINT64_C(7);
			if (at + 8 <= r->size) {
				rig_mmio_write(r->base + at, 8, value);
				(void)rig_mmio_read(r->base + at, 8);
			}
		}
		rig_forget();
	}
	rig.model.dead = false;
	rig_stop();
}

START_TEST(survives_a_scribbling_guest)
{
	rig_single_thread = true;
	for (unsigned seed = 0; seed < 8; seed++) {
		scribble("nvme", seed, 20000);
		scribble("e1000e", seed, 20000);
		scribble("accel", seed, 20000);
	}
	rig_single_thread = false;
	scribble("accel", 8, 2000);
}
END_TEST

SUITE("pass_config", shows_the_device_as_itself, sizes_every_kind_of_bar,
	hides_what_a_guest_cannot_use, hides_each_extended_capability_of_the_hosts,
	is_one_function_with_a_line_of_its_own, shows_a_virtual_function_as_a_device,
	bounds_configuration_space, survives_lists_that_lead_nowhere,
	msi_has_the_size_that_its_flags_say, refuses_what_is_no_endpoint,
	resizable_bars_have_the_size_they_have, hides_resizable_bars_that_make_no_sense,
	resets_a_function_as_hardware_does, resets_the_device_only_after_use,
	survives_a_scribbling_guest)
