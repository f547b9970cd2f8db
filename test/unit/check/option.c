/* SPDX-License-Identifier: MIT */
#include "check/option.h"

#include "base/num.h"
#include "check/check.h"
#include "replay.h"

#include <string.h>

/*
 * One word of the kernel's command line on hosts that differ in the processor, the kernel or its
 * modules: the sentence has to hold on each.
 */

#define INTEL "file /sys/firmware/acpi/tables/DMAR x\n"
#define AMD "file /sys/firmware/acpi/tables/IVRS x\n"
#define AMD_CPU "file /proc/cpuinfo vendor_id\t: AuthenticAMD\\nflags\t\t: svm\n"
#define KERNEL(release) "file /proc/sys/kernel/osrelease " release "\n"
#define DEP(release) "file /lib/modules/" release "/modules.dep kernel/x/vfio-pci.ko.zst:\n"
#define BUILTIN(release) \
	"file /lib/modules/" release "/modules.builtin kernel/drivers/vfio/pci/vfio-pci.ko\n"
#define NO_VFIO(release) "file /lib/modules/" release "/modules.dep kernel/x/loop.ko:\n"
#define DRIVER "dir /sys/bus/pci/drivers/vfio-pci\n"
#define REMAPPED "file /proc/interrupts  1: 0 IR-IO-APIC 1-edge\n"

#define SILENT (-1)

static const struct option_row {
	const char *host;
	const char *word;
	int severity;
	const char *text; /* a part of the sentence */
	bool drop;
} rows[] = {
	{INTEL, "amd_iommu=on", CHECK_WARN, "the option is intel_iommu=on", true},
	{AMD, "amd_iommu=on", CHECK_WARN, "is not a kernel option", true},
	{AMD_CPU, "amd_iommu=on", CHECK_WARN, "is not a kernel option", true},
	{AMD_CPU INTEL, "amd_iommu=off", CHECK_WARN, "has Intel's", true},
	{AMD, "amd_iommu=off", CHECK_WARN, "turns the IOMMU off", true},
	{AMD, "amd_iommu=force_enable", SILENT, NULL, false},
	{AMD, "amd_iommu=pgtbl_v2,on", CHECK_WARN, "is not a kernel option", true},
	{AMD, "intel_iommu=on", CHECK_INFO, "has AMD's", true},
	{AMD, "intel_iommu=off", CHECK_INFO, "has AMD's", true},
	{INTEL, "intel_iommu=on", SILENT, NULL, false},
	{INTEL, "intel_iommu=on,sm_on", SILENT, NULL, false},
	{INTEL, "intel_iommu=on,igfx_off", CHECK_WARN, "integrated graphics", true},
	{INTEL, "intel_iommu=off", CHECK_WARN, "turns the IOMMU off", true},
	{INTEL, "intel_iommu=1", CHECK_WARN, "ignores: '1'", true},
	{INTEL, "iommu=on", CHECK_INFO, "no effect", true},
	{INTEL, "iommu=1", CHECK_INFO, "no effect", true},
	{INTEL, "iommu=pt", CHECK_INFO, "isolated in any case", false},
	{INTEL, "iommu=soft,off", CHECK_WARN, "turns the IOMMU off", true},
	{INTEL, "iommu=nopt", SILENT, NULL, false},
	{KERNEL("6.8.0-45-generic"), "pcie_acs_override=downstream", CHECK_WARN,
		"only in a kernel with the ACS override patch", true},
	{KERNEL("6.8.12-4-pve"), "pcie_acs_override=downstream", CHECK_WARN, "may reach", true},
	{"file /dev/kmsg <4>[ 0.1] Warning: PCIe ACS overrides enabled; x\n",
		"pcie_acs_override=downstream", CHECK_WARN, "may reach", true},
	{KERNEL("6.1") DEP("6.1"), "vfio-pci.ids=10de:1", CHECK_INFO, "it is not loaded", false},
	/* H15 reports these. */
	{KERNEL("6.1") DEP("6.1") DRIVER, "vfio_pci.ids=10de:1", SILENT, NULL, false},
	{KERNEL("6.1") BUILTIN("6.1") DRIVER, "vfio-pci.ids=10de:1", SILENT, NULL, false},
	{INTEL, "vfio-pci-ids=10de:1", CHECK_WARN, "that is vfio-pci.ids=", true},
	{INTEL, "vfio.ids=10de:1,10de:2", CHECK_WARN, "that is vfio-pci.ids=", true},
	{INTEL, "vfio_pci.disable_vga=1", SILENT, NULL, false},
	{KERNEL("6.1") NO_VFIO("6.1"), "vfio-pci.ids=10de:1", CHECK_INFO, "has no vfio-pci", true},
	{REMAPPED, "vfio_iommu_type1.allow_unsafe_interrupts=1", CHECK_INFO, "are remapped", true},
	{INTEL, "vfio_iommu_type1.allow_unsafe_interrupts=1", CHECK_WARN, "forge", true},
	{INTEL, "vfio_iommu_type1.allow_unsafe_interrupts=0", SILENT, NULL, false},
	{"dir /sys/module/vfio/parameters\n", "vfio.enable_unsafe_noiommu_mode=1", CHECK_INFO,
		"CONFIG_VFIO_NOIOMMU", true},
	{"file /sys/module/vfio/parameters/enable_unsafe_noiommu_mode Y\n",
		"vfio.enable_unsafe_noiommu_mode=1", CHECK_WARN, "all memory", true},
	{INTEL, "initcall_blacklist=sysfb_init", CHECK_INFO, "firmware framebuffer", false},
	{INTEL, "initcall_blacklist=other_init", CHECK_INFO, "skips init functions", false},
	/* The driver of the framebuffer decides, not the version. */
	{KERNEL("6.12.54-Unraid"), "video=efifb:off", CHECK_INFO, "if this kernel has", false},
	{"dir /sys/bus/platform/drivers/efi-framebuffer\n", "video=efifb:off", CHECK_INFO,
		"keeps efifb from the firmware framebuffer:", false},
	{KERNEL("5.4") "file /proc/fb 0 simple\n", "video=efifb:off", CHECK_WARN, "no effect",
		true},
	{"file /proc/fb 0 simpledrmdrmfb\n", "video=efifb:off", CHECK_WARN, "no effect", true},
	{"dir /sys/bus/platform/drivers/efi-framebuffer\n"
	 "link /sys/bus/platform/devices/simple-framebuffer.0 ../../../devices/platform/x\n",
		"video=efifb:off", CHECK_WARN, "no effect", true},
	{"file /proc/fb 0 EFI VGA\n", "video=efifb:off", CHECK_WARN, "nevertheless", true},
	{"file /proc/fb 0 i915drmfb\n", "video=vesafb:off", CHECK_INFO, "keeps vesafb", false},
	{INTEL, "video=efifb:off,vesafb:off", CHECK_WARN, "'video=vesafb:off'", false},
	{INTEL, "video=HDMI-A-1:1920x1080", SILENT, NULL, false},
	{KERNEL("6.1") BUILTIN("6.1"), "module_blacklist=vfio_pci", CHECK_INFO, "built into",
		false},
	{KERNEL("6.1") DEP("6.1"), "module_blacklist=nouveau,vfio-pci", CHECK_FAIL,
		"prevents vfio_pci", true},
	{KERNEL("6.1") DEP("6.1"), "module_blacklist=nouveau", CHECK_INFO, "prevents", false},
};

static const struct check_finding *option_finding(const struct check_report *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->list[i].rule->id, "H03") == 0)
			return &r->list[i];
	return NULL;
}

static void row_compare(const struct option_row *row)
{
	const struct check_request all = {0};
	char text[2048];
	struct check_report r;
	struct err e = {0};

	(void)snprintf(
		text, sizeof(text), "%sfile /proc/cmdline quiet %s ro\n", row->host, row->word);
	struct host *h = replay_lines(text);
	ck_assert_int_eq(check_run(h, &all, &r, &e), 0);
	const struct check_finding *f = option_finding(&r);
	if (row->severity == SILENT) {
		ck_assert_msg(!f, "'%s': %s", row->word, f ? f->text : "");
	} else {
		ck_assert_msg(f, "nothing about '%s' on %s", row->word, row->host);
		ck_assert_msg((int)f->severity == row->severity && strstr(f->text, row->text) &&
				      (f->fix[0] != '\0') == row->drop,
			"on %s\n%s (fix: %s)", row->host, f->text, f->fix);
	}
	check_report_fini(&r);
	host_close(h);
}

START_TEST(judges_each_option_on_its_host)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		row_compare(&rows[i]);
}
END_TEST

/* The modules of the running kernel lie elsewhere on NixOS and Guix, and may be gone. */
START_TEST(finds_the_modules_of_this_kernel)
{
	static const char *const folders[] = {"/lib/modules", "/usr/lib/modules",
		"/run/booted-system/kernel-modules/lib/modules",
		"/run/booted-system/kernel/lib/modules"};
	const struct check_request all = {0};
	struct check_report r;
	struct err e = {0};
	char text[512];

	for (size_t i = 0; i <= COUNT(folders); i++) {
		if (i < COUNT(folders))
			(void)snprintf(text, sizeof(text),
				KERNEL("6.6") "file %s/6.6/modules.dep kernel/x/vfio-pci.ko.xz:\\n"
					      "kernel/x/vfio_iommu_type1.ko.xz:\n",
				folders[i]);
		else
			(void)snprintf(text, sizeof(text),
				KERNEL("6.6") "file /lib/modules/6.7/modules.dep x\n");
		struct host *h = replay_lines(text);
		ck_assert_int_eq(check_run(h, &all, &r, &e), 0);
		for (size_t n = 0; n < r.blind_count; n++)
			ck_assert_str_ne(r.blind[n].rule->id, "H06");
		size_t n = 0;
		while (n < r.count && strcmp(r.list[n].rule->id, "H06") != 0)
			n++;
		ck_assert_uint_lt(n, r.count);
		ck_assert_ptr_nonnull(strstr(r.list[n].text,
			i < COUNT(folders) ? "is not loaded" : "modules of the running kernel"));
		check_report_fini(&r);
		host_close(h);
	}
}
END_TEST

SUITE("option", judges_each_option_on_its_host, finds_the_modules_of_this_kernel)
