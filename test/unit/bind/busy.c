/* SPDX-License-Identifier: MIT */
/* Which BARs a plan says the host refuses to map, on hosts that are a few lines. */
#include "bind/busy.h"

#include "base/err.h"
#include "base/num.h"
#include "host/host.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define AT "/sys/bus/pci/devices/0000:01:00.0/"
/* BAR 0 of 16 MiB at 0xc0000000, BAR 2 of 4 KiB at 0xc1000000. */
#define BARS                                                                              \
	"file " AT "resource 0x00000000c0000000 0x00000000c0ffffff 0x0000000000042208\\n" \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\\n"                     \
	"0x00000000c1000000 0x00000000c1000fff 0x0000000000040200\n"
#define IOMEM(lines)                                                                        \
	"file /proc/iomem 00000000-00000fff : Reserved\\n"                                  \
	"c0000000-c10fffff : PCI Bus 0000:01\\n  c0000000-c0ffffff : 0000:01:00.0\\n" lines \
	"  c1000000-c1000fff : 0000:01:00.0\n"

static struct bind_member member;
static struct bind_group group = {.count = 1, .members = &member};
static struct bind_plan plan;

static void plan_busy(const char *text)
{
	static struct bind_target target;
	struct bind_request q = {.targets = &target, .target_count = 1};
	struct err e = {0};
	struct host *h;
	char all[4096];

	target.address = member.device.address = (struct pci_address){.bus = 1};
	(void)snprintf(all, sizeof(all), "usher-host 1\n%s", text);
	ck_assert_msg(host_snapshot_from(all, strlen(all), &h, &e) == 0, "%s", e.msg);
	for (size_t i = 0; i < plan.problem_count; i++)
		plan.problems[i] = (struct bind_problem){0};
	plan.problem_count = plan.refusals = 0;
	plan.group_count = 1;
	plan.groups = &group;
	ck_assert_int_eq(bind_busy_check(h, &q, &plan), 0);
	host_close(h);
}

static void set_member(const char *driver, enum bind_act act, const char *framebuffer)
{
	member = (struct bind_member){.act = act, .is_target = true};
	(void)snprintf(member.device.driver, sizeof(member.device.driver), "%s", driver);
	(void)snprintf(member.framebuffer, sizeof(member.framebuffer), "%s", framebuffer);
}

START_TEST(names_what_stays_in_a_bar)
{
	static const struct {
		const char *driver;
		enum bind_act act;
		const char *framebuffer, *iomem;
		const char *says; /* NULL: nothing */
	} rows[] = {
		{"bochs-drm", BIND_ACT_TAKE, "",
			IOMEM("    c0800000-c08fffff : ramoops:dump(0/1)\\n"),
			"ramoops:dump(0/1) holds a part of its BAR 0"},
		{"", BIND_ACT_TAKE, "", IOMEM("    c0800000-c08fffff : ramoops:pmsg\\n"),
			"ramoops:pmsg holds a part of its BAR 0"},
		{"vfio-pci", BIND_ACT_ALREADY, "", IOMEM("    c0000000-c0ffffff : PNP0C02:00\\n"),
			"PNP0C02:00 holds a part of its BAR 0"},
		/* What goes with the driver. */
		{"nvme", BIND_ACT_TAKE, "", IOMEM("    c0000000-c0ffffff : nvme\\n"), NULL},
		{"snd_hda_intel", BIND_ACT_TAKE, "",
			IOMEM("    c0000000-c0ffffff : ICH HD audio\\n"), NULL},
		{"virtio-pci", BIND_ACT_TAKE, "",
			IOMEM("    c0001000-c0001fff : virtio-pci-modern\\n"), NULL},
		{"xhci_hcd", BIND_ACT_TAKE, "", IOMEM("    c0000000-c000ffff : xhci-hcd\\n"), NULL},
		{"vfio-pci", BIND_ACT_ALREADY, "", IOMEM("    c0000000-c0ffffff : vfio-pci\\n"),
			NULL},
		/* A framebuffer that the plan unbinds, and one that it leaves. */
		{"", BIND_ACT_TAKE, "efi-framebuffer/efi-framebuffer.0",
			IOMEM("    c0000000-c07e8fff : BOOTFB\\n"
			      "      c0000000-c07e8fff : efifb\\n"),
			NULL},
		{"", BIND_ACT_TAKE, "", IOMEM("    c0000000-c07e8fff : BOOTFB\\n"), "BOOTFB holds"},
		/* The window of the bridge above, of the same size. */
		{"", BIND_ACT_TAKE, "",
			"file /proc/iomem c0000000-c10fffff : PCI Bus 0000:00\\n"
			"  c0000000-c0ffffff : PCI Bus 0000:01\\n"
			"    c0000000-c0ffffff : 0000:01:00.0\\n"
			"  c1000000-c1000fff : 0000:01:00.0\\n"
			"  c1080000-c10800ff : pnp 00:04\n",
			NULL},
		/* Outside of its BARs, or not at all. */
		{"", BIND_ACT_TAKE, "", IOMEM("  c1080000-c10800ff : 0000:01:00.1\\n"), NULL},
		{"", BIND_ACT_TAKE, "", "", NULL},
		{"", BIND_ACT_TAKE, "", "file /proc/iomem 00000000-00000000 : ramoops\n", NULL},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[2048];
		set_member(rows[i].driver, rows[i].act, rows[i].framebuffer);
		(void)snprintf(text, sizeof(text), BARS "%s", rows[i].iomem);
		plan_busy(text);
		ck_assert_msg(plan.problem_count == (rows[i].says != NULL), "row %zu: %s", i,
			plan.problem_count ? plan.problems[0].text : "nothing");
		if (!rows[i].says)
			continue;
		ck_assert_msg(strstr(plan.problems[0].text, rows[i].says) != NULL, "row %zu: %s", i,
			plan.problems[0].text);
		ck_assert_uint_eq(plan.refusals, 0);
		ck_assert_str_eq(plan.problems[0].check, "mmap");
	}
	/* The guest does not get the other functions of the group. */
	set_member("", BIND_ACT_TAKE, "");
	member.is_target = false;
	plan_busy(BARS IOMEM("    c0800000-c08fffff : ramoops\\n"));
	ck_assert_uint_eq(plan.problem_count, 0);
}
END_TEST

SUITE("busy", names_what_stays_in_a_bar)
