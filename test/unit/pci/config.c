/* SPDX-License-Identifier: MIT */
#include "pci/config.h"

#include "base/endian.h"
#include "base/num.h"
#include "pci/bar.h"
#include "pci/capability.h"
#include "replay.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

/* A type 0 header that has a capability list starting at 0x40. */
static void blank_config(struct pci_config *c, size_t size)
{
	memset(c, 0, sizeof(*c));
	c->size = size;
	le16_put(c->bytes + PCI_VENDOR_ID, 0x1b36);
	le16_put(c->bytes + PCI_STATUS, PCI_STATUS_CAP_LIST);
	c->bytes[PCI_CAPABILITY_LIST] = 0x40;
}

static void put_cap(struct pci_config *c, unsigned off, uint8_t id, uint8_t next)
{
	c->bytes[off] = id;
	c->bytes[off + 1] = next;
}

static void put_ext(struct pci_config *c, unsigned off, uint16_t id, unsigned next)
{
	le32_put(c->bytes + off, id | 1u << 16 | next << 20);
}

static size_t count_capabilities(const struct pci_config *c)
{
	struct pci_capability list[PCI_CAPABILITY_MAX];

	return pci_capability_list(c, list, COUNT(list));
}

START_TEST(reads_within_bounds)
{
	struct pci_config c = {.size = 64};

	memset(c.bytes, 0x11, sizeof(c.bytes));
	ck_assert_uint_eq(pci_config_u32(&c, 60), 0x11111111);
	ck_assert_uint_eq(pci_config_u32(&c, 61), UINT32_MAX);
	ck_assert_uint_eq(pci_config_u16(&c, 63), UINT16_MAX);
	ck_assert_uint_eq(pci_config_u8(&c, 64), UINT8_MAX);
	ck_assert_uint_eq(pci_config_u32(&c, UINT32_MAX), UINT32_MAX);
}
END_TEST

START_TEST(walks_both_lists)
{
	struct pci_capability list[4];
	struct pci_config c;

	blank_config(&c, 4096);
	put_cap(&c, 0x40, PCI_CAP_ID_PM, 0x52); /* the two low bits of a pointer are reserved */
	put_cap(&c, 0x50, PCI_CAP_ID_MSIX, 0);
	put_ext(&c, 0x100, PCI_EXT_CAP_ID_ERR, 0x140);
	put_ext(&c, 0x140, PCI_EXT_CAP_ID_DSN, 0);
	ck_assert_uint_eq(pci_capability_list(&c, list, COUNT(list)), 4);
	ck_assert_uint_eq(list[1].offset, 0x50);
	ck_assert_uint_eq(list[1].id, PCI_CAP_ID_MSIX);
	ck_assert_int_eq(list[2].kind, PCI_CAPABILITY_EXTENDED);
	ck_assert_uint_eq(list[3].offset, 0x140);
	ck_assert_uint_eq(list[3].version, 1);
	ck_assert_uint_eq(pci_capability_list(&c, list, 1), 4); /* all counted, one stored */
	ck_assert_uint_eq(pci_capability_find(&c, PCI_CAPABILITY_STANDARD, PCI_CAP_ID_MSIX), 0x50);
	ck_assert_uint_eq(pci_capability_find(&c, PCI_CAPABILITY_EXTENDED, PCI_CAP_ID_MSIX), 0);
	ck_assert_uint_eq(pci_capability_find(&c, PCI_CAPABILITY_STANDARD, PCI_CAP_ID_MSI), 0);
	c.size = 64; /* what the kernel shows an ordinary user */
	ck_assert_uint_eq(count_capabilities(&c), 0);
}
END_TEST

START_TEST(ends_every_walk)
{
	struct pci_config c;

	blank_config(&c, 256);
	put_cap(&c, 0x40, PCI_CAP_ID_PM, 0x40);
	ck_assert_uint_eq(count_capabilities(&c), 1);
	put_cap(&c, 0x40, PCI_CAP_ID_PM, 0x48);
	put_cap(&c, 0x48, PCI_CAP_ID_VNDR, 0x40);
	ck_assert_uint_eq(count_capabilities(&c), 2);
	put_cap(&c, 0x48, PCI_CAP_ID_VNDR, 0x10); /* points back into the header */
	ck_assert_uint_eq(count_capabilities(&c), 2);
	blank_config(&c, 4096);
	c.bytes[PCI_CAPABILITY_LIST] = 0;
	put_ext(&c, 0x100, PCI_EXT_CAP_ID_ERR, 0x200);
	put_ext(&c, 0x200, PCI_EXT_CAP_ID_DSN, 0x100);
	ck_assert_uint_eq(count_capabilities(&c), 2);
	put_ext(&c, 0x200, PCI_EXT_CAP_ID_DSN, 0x40);
	ck_assert_uint_eq(count_capabilities(&c), 2);
	memset(c.bytes, 0xff, sizeof(c.bytes));
	ck_assert_uint_eq(count_capabilities(&c), 0);
}
END_TEST

/* For any bytes, a walk ends, stays in bounds, and lists as many as it counts. */
START_TEST(survives_noise)
{
	struct pci_capability list[PCI_CAPABILITY_MAX];
	struct pci_config c;
	uint64_t seed = 88172645463325252u;

	for (unsigned round = 0; round < 2000; round++) {
		for (size_t i = 0; i < sizeof(c.bytes); i += 8) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			memcpy(c.bytes + i, &seed, 8);
		}
		c.size = round % 3 ? 4096 : round % 4097;
		c.bytes[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
		size_t n = pci_capability_list(&c, list, COUNT(list));
		ck_assert_uint_le(n, PCI_CAPABILITY_MAX);
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_lt(list[i].offset, c.size);
		struct pci_msix x;
		struct pci_msi m;
		struct pci_express p;
		struct pci_sriov s;
		uint64_t serial;
		if (pci_msix_read(&c, &x) == 0)
			ck_assert_uint_lt(x.table_bar, PCI_BAR_COUNT);
		if (pci_msi_read(&c, &m) == 0)
			ck_assert_uint_le(m.count, 32);
		(void)pci_express_read(&c, &p);
		(void)pci_sriov_read(&c, &s);
		(void)pci_serial_read(&c, &serial);
		(void)pci_has_flr(&c);
	}
}
END_TEST

START_TEST(decodes_msix)
{
	struct pci_msix m;
	struct pci_config c;

	blank_config(&c, 256);
	ck_assert_int_eq(pci_msix_read(&c, &m), -ENOENT);
	put_cap(&c, 0x40, PCI_CAP_ID_MSIX, 0);
	le16_put(c.bytes + 0x42, 0x8000 | 64);
	le32_put(c.bytes + 0x44, 0x2000 | 4);
	le32_put(c.bytes + 0x48, 0x3008 | 5);
	ck_assert_int_eq(pci_msix_read(&c, &m), 0);
	ck_assert_uint_eq(m.count, 65);
	ck_assert_uint_eq(m.table_bar, 4);
	ck_assert_uint_eq(m.table_offset, 0x2000);
	ck_assert_uint_eq(m.table_size, 65 * 16);
	ck_assert_uint_eq(m.pba_bar, 5);
	ck_assert_uint_eq(m.pba_offset, 0x3008);
	ck_assert_uint_eq(m.pba_size, 16);
	le32_put(c.bytes + 0x44, 0x2000 | 6);
	ck_assert_int_eq(pci_msix_read(&c, &m), -EINVAL);
	/* A capability that ends past the image does not count. */
	c.bytes[PCI_CAPABILITY_LIST] = 0xf8;
	put_cap(&c, 0xf8, PCI_CAP_ID_MSIX, 0);
	ck_assert_int_eq(pci_msix_read(&c, &m), -ENOENT);
}
END_TEST

START_TEST(decodes_the_others)
{
	struct pci_express x;
	struct pci_power p;
	struct pci_sriov s;
	struct pci_msi m;
	struct pci_config c;
	uint64_t serial;

	blank_config(&c, 4096);
	put_cap(&c, 0x40, PCI_CAP_ID_EXP, 0x80);
	le16_put(c.bytes + 0x42, 0x0142); /* root port with a slot, version 2 */
	le32_put(c.bytes + 0x44, PCI_EXP_DEVCAP_FLR);
	le32_put(c.bytes + 0x4c, 0x0104); /* x16, 16 GT/s */
	le16_put(c.bytes + 0x52, 0x0041); /* x4, 2.5 GT/s */
	le32_put(c.bytes + 0x54, 7u << 19);
	put_cap(&c, 0x80, PCI_CAP_ID_PM, 0x90);
	le16_put(c.bytes + 0x84, 0x000b);
	put_cap(&c, 0x90, PCI_CAP_ID_MSI, 0);
	le16_put(c.bytes + 0x92, 0x018a); /* 64-bit, maskable, 32 vectors */
	put_ext(&c, 0x100, PCI_EXT_CAP_ID_SRIOV, 0x200);
	le16_put(c.bytes + 0x10e, 8);
	le16_put(c.bytes + 0x110, 3);
	le16_put(c.bytes + 0x11a, 0x154c);
	put_ext(&c, 0x200, PCI_EXT_CAP_ID_DSN, 0);
	le64_put(c.bytes + 0x204, 0x1122334455667788);

	ck_assert_int_eq(pci_express_read(&c, &x), 0);
	ck_assert_str_eq(pci_express_type_name(x.type), "root port");
	ck_assert(x.has_flr && pci_has_flr(&c));
	ck_assert_uint_eq(x.slot, 7);
	ck_assert_uint_eq(x.speed_max, 4);
	ck_assert_uint_eq(x.width_max, 16);
	ck_assert_uint_eq(x.speed, 1);
	ck_assert_uint_eq(x.width, 4);
	ck_assert_int_eq(pci_power_read(&c, &p), 0);
	ck_assert_uint_eq(p.state, 3);
	ck_assert(p.no_soft_reset);
	ck_assert_int_eq(pci_msi_read(&c, &m), 0);
	ck_assert_uint_eq(m.count, 32);
	ck_assert_uint_eq(m.size, 24);
	ck_assert_int_eq(pci_sriov_read(&c, &s), 0);
	ck_assert_uint_eq(s.total, 8);
	ck_assert_uint_eq(s.active, 0); /* not enabled */
	ck_assert_uint_eq(s.device, 0x154c);
	le16_put(c.bytes + 0x108, PCI_SRIOV_CTRL_VFE);
	ck_assert_int_eq(pci_sriov_read(&c, &s), 0);
	ck_assert_uint_eq(s.active, 3);
	ck_assert_int_eq(pci_serial_read(&c, &serial), 0);
	ck_assert_uint_eq(serial, 0x1122334455667788);
}
END_TEST

START_TEST(finds_flr_in_advanced_features)
{
	struct pci_config c;

	blank_config(&c, 256);
	put_cap(&c, 0x40, PCI_CAP_ID_AF, 0);
	c.bytes[0x42] = 6;
	ck_assert(!pci_has_flr(&c));
	c.bytes[0x43] = PCI_AF_CAP_FLR;
	ck_assert(pci_has_flr(&c));
}
END_TEST

START_TEST(names_capabilities)
{
	ck_assert_str_eq(pci_capability_name(PCI_CAPABILITY_STANDARD, PCI_CAP_ID_MSIX), "MSI-X");
	ck_assert_str_eq(
		pci_capability_name(PCI_CAPABILITY_EXTENDED, PCI_EXT_CAP_ID_SRIOV), "SR-IOV");
	ck_assert_str_eq(pci_capability_name(PCI_CAPABILITY_EXTENDED, PCI_EXT_CAP_ID_ACS),
		"Access Control Services");
	ck_assert_ptr_null(pci_capability_name(PCI_CAPABILITY_STANDARD, 0));
	ck_assert_ptr_null(pci_capability_name(PCI_CAPABILITY_STANDARD, 0x80));
	ck_assert_ptr_null(pci_capability_name(PCI_CAPABILITY_EXTENDED, 0xffff));
}
END_TEST

START_TEST(decodes_bars)
{
	struct pci_config c;

	blank_config(&c, 256);
	le32_put(c.bytes + PCI_BASE_ADDRESS_0, 0xe000000c); /* 64-bit, prefetchable */
	le32_put(c.bytes + PCI_BASE_ADDRESS_1, 0x00000004); /* its upper half */
	le32_put(c.bytes + PCI_BASE_ADDRESS_2, 0xf6000000);
	le32_put(c.bytes + PCI_BASE_ADDRESS_3, 0x0000e001);
	ck_assert_int_eq(pci_bar_decode(&c, 0).kind, PCI_BAR_MEM64);
	ck_assert(pci_bar_decode(&c, 0).prefetchable);
	ck_assert_int_eq(pci_bar_decode(&c, 1).kind, PCI_BAR_NONE);
	ck_assert_int_eq(pci_bar_decode(&c, 2).kind, PCI_BAR_MEM32);
	ck_assert_int_eq(pci_bar_decode(&c, 3).kind, PCI_BAR_IO);
	ck_assert_int_eq(pci_bar_decode(&c, 4).kind, PCI_BAR_NONE);
	ck_assert_int_eq(pci_bar_decode(&c, 6).kind, PCI_BAR_NONE);
}
END_TEST

START_TEST(parses_resources)
{
	static const char *const bad[] = {
		"x", "0x0 0x0", "0x0 0x0\n0x0 0x0 0x0", "0x1 0x2 0x200 0x3 y z\nq"};
	struct pci_bar bars[PCI_BAR_MAX];

	int n = pci_bar_parse("0x00000000febf0000 0x00000000febf3fff 0x0000000000140204\n"
			      "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
			      "0x0000000000000000 0x00000000000fffff 0x0000000020140204\n"
			      "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
			      "0x000000000000c000 0x000000000000c01f 0x0000000000040101\n"
			      "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
			      "0x00000000feb00000 0x00000000feb3ffff 0x0000000000046200\n"
			      "0x00000000feb00000 0x00000000feb3ffff 0x0000000000046200\n",
		bars);
	ck_assert_int_eq(n, 4);
	ck_assert_int_eq(bars[0].kind, PCI_BAR_MEM64);
	ck_assert_uint_eq(bars[0].size, 0x4000);
	ck_assert(bars[0].assigned);
	ck_assert_uint_eq(bars[1].index, 2);
	ck_assert(!bars[1].assigned);
	ck_assert_uint_eq(bars[1].size, 0x100000);
	ck_assert_int_eq(bars[2].kind, PCI_BAR_IO);
	ck_assert_uint_eq(bars[2].size, 32);
	ck_assert_int_eq(bars[3].kind, PCI_BAR_ROM);
	ck_assert_uint_eq(bars[3].index, PCI_BAR_ROM_INDEX);
	ck_assert_int_eq(pci_bar_parse("", bars), 0);
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(pci_bar_parse(bad[i], bars) == -EINVAL, "taken: %s", bad[i]);
}
END_TEST

START_TEST(reads_through_the_host)
{
	struct host *h = replay_fixture("desktop");
	struct err e = {0};
	struct pci_address a = {0}, none = {.bus = 9};
	struct pci_config c;
	struct pci_bar bars[PCI_BAR_MAX];

	ck_assert_int_eq(pci_address_parse("01:00.0", &a), 0);
	ck_assert_int_eq(pci_config_read(h, a, &c, &e), 0);
	ck_assert_uint_eq(c.size, 4096);
	ck_assert_uint_eq(pci_config_u16(&c, PCI_VENDOR_ID), 0x10de);
	ck_assert_int_eq(pci_bar_read(h, a, bars, &e), 5);
	ck_assert_int_eq(pci_config_read(h, none, &c, &e), -ENOENT);
	ck_assert_uint_eq(c.size, 0);
	host_close(h);
}
END_TEST

SUITE("config", reads_within_bounds, walks_both_lists, ends_every_walk, survives_noise,
	decodes_msix, decodes_the_others, finds_flr_in_advanced_features, names_capabilities,
	decodes_bars, parses_resources, reads_through_the_host)
