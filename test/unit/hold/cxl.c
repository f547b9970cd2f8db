/* SPDX-License-Identifier: MIT */
/* Memory behind CXL that the host has in its address space. */
#include "asked.h"
#include "suite.h"

#include <string.h>

#define BUS "/sys/bus/cxl/devices/"
#define MEMORY(name, function)                                                                     \
	"link " BUS name " ../../../devices/pci0000:00/0000:00:06.0/0000:02:00." function "/" name \
	"\n"
#define ROOT "/sys/devices/platform/ACPI0017:00/root0/"
#define ENDPOINT(port, memory)                                                     \
	"link " BUS port " ../../../devices/platform/ACPI0017:00/root0/" port "\n" \
	"link " ROOT port "/uport ../../../../pci0000:00/0000:00:06.0/0000:02:00.0/" memory "\n"
#define DECODER(port, name, region) "file " ROOT port "/" name "/region " region "\n"
#define REGION "file " BUS "region0/mode ram\n"
#define MINE MEMORY("mem0", "0") ENDPOINT("endpoint4", "mem0")

static struct pci_device cxl_device(const char *driver)
{
	struct pci_device d = {.address = {.bus = 2}, .class = 0x050210, .group = 7};

	(void)strcpy(d.driver, driver);
	return d;
}

START_TEST(finds_the_region_of_a_device)
{
	struct pci_device d = cxl_device("cxl_pci");
	struct hold o = hold_only(MINE DECODER("endpoint4", "decoder4.0", "region0") REGION, &d);
	char fix[HOLD_FIX_MAX];

	hold_is(&o, "fd", "region0", "this host has memory of it in its address space, as ram");
	ck_assert(o.absolute);
	ck_assert_str_eq(hold_fix(&o, fix, sizeof(fix)),
		"remove the region: cxl disable-region REGION; cxl destroy-region REGION; no "
		"--allow skips this check");
	hold_none(MINE DECODER("endpoint4", "decoder4.0", "") REGION, &d);
	hold_none(MINE, &d);
	hold_none("", &d);
}
END_TEST

START_TEST(knows_whose_region_it_is)
{
	struct pci_device d = cxl_device("cxl_pci");

	hold_none(MINE MEMORY("mem1", "1") ENDPOINT("endpoint5", "mem1")
			  DECODER("endpoint5", "decoder5.0", "region0") REGION,
		&d);
	d.class = 0x010802;
	hold_none(MINE DECODER("endpoint4", "decoder4.0", "region0") REGION, &d);
}
END_TEST

START_TEST(asks_what_the_firmware_has_mapped)
{
	static const char *const window = "file /proc/iomem 1050000000-304fffffff : CXL Window 0\\n"
					  "  1050000000-304fffffff : System RAM\n";
	struct pci_device d = cxl_device("");
	struct hold o = hold_only(window, &d);

	hold_is(&o, "fd", "CXL",
		"RAM of this host may be its memory: without cxl_pci nobody knows");
	ck_assert(!o.absolute);
	hold_none("file /proc/iomem 1050000000-304fffffff : CXL Window 0\\n"
		  "4050000000-504fffffff : System RAM\n",
		&d);
	d = cxl_device("vfio-pci");
	hold_none(window, &d);
}
END_TEST

SUITE("cxl", finds_the_region_of_a_device, knows_whose_region_it_is,
	asks_what_the_firmware_has_mapped)
