/* SPDX-License-Identifier: MIT */
#include "pci/isolation.h"

#include "base/endian.h"
#include "replay.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#define ALL (PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)

/* A PCI Express function of that type, with ACS at 0x100 when it offers any of it. */
static struct pci_config make_function(uint8_t type, uint16_t offers, uint16_t on)
{
	struct pci_config c = {.size = sizeof(c.bytes)};

	le16_put(c.bytes + PCI_STATUS, PCI_STATUS_CAP_LIST);
	c.bytes[PCI_CAPABILITY_LIST] = 0x40;
	c.bytes[0x40] = PCI_CAP_ID_EXP;
	le16_put(c.bytes + 0x42, (uint16_t)(2 | type << 4));
	if (offers) {
		le32_put(c.bytes + 0x100, PCI_EXT_CAP_ID_ACS | 1u << 16);
		le16_put(c.bytes + 0x100 + PCI_ACS_CAP, offers);
		le16_put(c.bytes + 0x100 + PCI_ACS_CTRL, on);
	}
	return c;
}

static void judge_config(struct pci_config c, enum pci_acs_verdict verdict, uint16_t missing)
{
	struct pci_acs a = pci_acs_judge(&c);

	ck_assert_int_eq(a.verdict, verdict);
	ck_assert_uint_eq(a.missing, missing);
}

START_TEST(ports_need_acs)
{
	judge_config(make_function(PCI_EXP_TYPE_ROOT_PORT, 0, 0), PCI_ACS_ABSENT, ALL);
	judge_config(make_function(PCI_EXP_TYPE_ROOT_PORT, ALL, ALL), PCI_ACS_ISOLATES, 0);
	judge_config(make_function(PCI_EXP_TYPE_DOWNSTREAM, ALL, ALL & ~PCI_ACS_RR), PCI_ACS_LACKS,
		PCI_ACS_RR);
	/* A control that the function does not offer counts as on; other controls do not count. */
	judge_config(make_function(PCI_EXP_TYPE_ROOT_PORT, PCI_ACS_SV | PCI_ACS_TB, PCI_ACS_SV),
		PCI_ACS_ISOLATES, 0);
}
END_TEST

START_TEST(functions_need_it_among_others_only)
{
	struct pci_config c = make_function(PCI_EXP_TYPE_ENDPOINT, 0, 0);

	judge_config(c, PCI_ACS_ISOLATES, 0);
	c.bytes[PCI_HEADER_TYPE] = 0x80;
	judge_config(c, PCI_ACS_ABSENT, ALL);
	c = make_function(PCI_EXP_TYPE_UPSTREAM, 0, 0);
	judge_config(c, PCI_ACS_ISOLATES, 0);
}
END_TEST

START_TEST(bridges_hold_nothing_apart)
{
	struct pci_config c = {.size = 256};

	judge_config(make_function(PCI_EXP_TYPE_PCI_BRIDGE, ALL, ALL), PCI_ACS_BRIDGE, ALL);
	judge_config(c, PCI_ACS_BRIDGE, ALL); /* not PCI Express at all */
}
END_TEST

START_TEST(what_is_not_seen_is_not_known)
{
	struct pci_config c = make_function(PCI_EXP_TYPE_ROOT_PORT, ALL, ALL);

	c.size = 64;
	judge_config(c, PCI_ACS_UNKNOWN, 0);
	c.size = 256; /* capabilities, but no extended ones */
	judge_config(c, PCI_ACS_UNKNOWN, 0);
	c.size = 0;
	judge_config(c, PCI_ACS_UNKNOWN, 0);
}
END_TEST

START_TEST(names_the_bits)
{
	char text[16];

	ck_assert_str_eq(pci_acs_bits(ALL, text, sizeof(text)), "SV RR CR UF");
	ck_assert_str_eq(pci_acs_bits(PCI_ACS_UF, text, sizeof(text)), "UF");
	ck_assert_str_eq(pci_acs_bits(0, text, sizeof(text)), "");
}
END_TEST

struct fixture_group {
	struct host *host;
	struct pci_device *all;
	const struct pci_device *members[16];
	size_t count;
};

static void group_open(struct fixture_group *g, const char *name, int number)
{
	size_t count;

	*g = (struct fixture_group){.host = replay_fixture(name)};
	ck_assert_int_eq(pci_device_list(g->host, &g->all, &count, NULL), 0);
	for (size_t i = 0; i < count; i++)
		if (g->all[i].group == number)
			g->members[g->count++] = &g->all[i];
}

static void group_close(struct fixture_group *g)
{
	free(g->all);
	host_close(g->host);
}

START_TEST(finds_the_port)
{
	struct pci_reason reasons[PCI_REASONS_MAX];
	struct fixture_group g;

	group_open(&g, "desktop", 1);
	/*
	 * The root port without ACS; and the card's two functions, which are not isolated from each
	 * other.
	 */
	ck_assert_uint_eq(pci_isolation_read(g.host, g.members, g.count, reasons), 2);
	ck_assert_int_eq(reasons[0].kind, PCI_REASON_PORT);
	ck_assert_uint_eq(reasons[0].address.dev, 1);
	ck_assert_int_eq(reasons[0].acs.verdict, PCI_ACS_ABSENT);
	ck_assert_uint_eq(reasons[0].type, PCI_EXP_TYPE_ROOT_PORT);
	ck_assert_int_eq(reasons[1].kind, PCI_REASON_SLOT);
	ck_assert_uint_eq(reasons[1].address.bus, 1);
	group_close(&g);
}
END_TEST

START_TEST(finds_the_bridge)
{
	struct pci_reason reasons[PCI_REASONS_MAX];
	struct fixture_group g;

	group_open(&g, "bridge", 2);
	ck_assert_uint_eq(pci_isolation_read(g.host, g.members, g.count, reasons), 1);
	ck_assert_uint_eq(reasons[0].address.bus, 1);
	ck_assert_int_eq(reasons[0].acs.verdict, PCI_ACS_BRIDGE);
	ck_assert_uint_eq(reasons[0].type, PCI_EXP_TYPE_PCI_BRIDGE);
	group_close(&g);
}
END_TEST

SUITE("isolation", ports_need_acs, functions_need_it_among_others_only, bridges_hold_nothing_apart,
	what_is_not_seen_is_not_known, names_the_bits, finds_the_port, finds_the_bridge)
