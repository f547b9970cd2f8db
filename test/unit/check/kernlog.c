/* SPDX-License-Identifier: MIT */
#include "check/kernlog.h"

#include "base/num.h"
#include "check/check.h"
#include "replay.h"

#include <stdio.h>
#include <string.h>

static struct host *host_with_log(const char *log, const char *rest)
{
	char text[8192];

	(void)snprintf(text, sizeof(text), "file /dev/kmsg %s\n%s", log, rest);
	return replay_lines(text);
}

static bool log_has(const char *log, const char *address, enum kernlog_cause cause)
{
	struct host *h = host_with_log(log, "");
	struct pci_address a = {0};
	struct kernlog l;

	ck_assert_int_eq(kernlog_read(h, &l), 0);
	if (address)
		ck_assert_int_eq(pci_address_parse(address, &a), 0);
	bool found = address ? kernlog_find(&l, a, cause) : kernlog_any(&l, cause);
	kernlog_fini(&l);
	host_close(h);
	return found;
}

/* One text of each kernel that changed it, with its prefix. */
START_TEST(knows_lines_of_old_and_new_kernels)
{
	static const struct {
		const char *line, *address;
		enum kernlog_cause cause;
	} cases[] = {
		{"vfio-pci 0000:08:00.0: Refused to change power state, currently in D3",
			"0000:08:00.0", KERNLOG_LOST},
		{"xhci_hcd 0000:03:00.4: Refused to change power state from D3hot to D0",
			"0000:03:00.4", KERNLOG_LOST},
		{"nvme 10000:e1:00.0: can't change power state from D3cold to D0 (config space "
		 "inaccessible)",
			"10000:e1:00.0", KERNLOG_COLD},
		{"vfio-pci 0000:03:00.0: Unable to change power state from D3cold to D0, device "
		 "inaccessible",
			"0000:03:00.0", KERNLOG_COLD},
		{"vfio-pci 0000:03:00.0: not ready 65535ms after bus reset; giving up",
			"0000:03:00.0", KERNLOG_RESET},
		{"pci 0000:03:00.0: Failed to return from FLR", "0000:03:00.0", KERNLOG_RESET},
		{"vfio_bar_restore: 0000:0a:00.0 reset recovery - restoring BARs", "0000:0a:00.0",
			KERNLOG_RESET},
		{"vfio-pci 0000:c7:00.0: AMD_NAVI10: failed to reset device", "0000:c7:00.0",
			KERNLOG_RESET},
		{"xhci_hcd 0000:0b:00.3: can't setup: -110", "0000:0b:00.3", KERNLOG_FAILED},
		{"pci 0000:01:00.0: VF BAR 0 [mem size 0x1000 pref]: can't assign; no space",
			"0000:01:00.0", KERNLOG_VFS},
		{"vfio-pci 0000:01:00.0: BAR 1 [mem 0xe0000000-0xefffffff]: can't reserve",
			"0000:01:00.0", KERNLOG_TAKEN},
		{"kvm: disabled by bios", NULL, KERNLOG_KVM},
		{"kvm: support for 'kvm_amd' disabled by bios", NULL, KERNLOG_KVM},
		{"kvm_amd: SVM disabled (by BIOS) in MSR_VM_CR on CPU 0", NULL, KERNLOG_KVM},
		{"kvm_intel: VMX not enabled (by BIOS) in MSR_IA32_FEAT_CTL on CPU 4", NULL,
			KERNLOG_KVM},
		{"vfio-pci: probe of 0000:01:00.0 failed with error -22", "0000:01:00.0",
			KERNLOG_PROBE},
		{"vfio-pci 0000:01:00.0: probe with driver vfio-pci failed with error -22",
			"0000:01:00.0", KERNLOG_PROBE},
		{"NVRM: GPU 0000:01:00.0: GPU has fallen off the bus.", "0000:01:00.0",
			KERNLOG_LOST},
		{"NVRM: Xid (PCI:0000:41:00): 79, pid=12, GPU has fallen off the bus.",
			"0000:41:00.0", KERNLOG_LOST},
		{"NVRM: Attempting to remove device 0000:01:00.0 with non-zero usage count!",
			"0000:01:00.0", KERNLOG_WAITS},
		{"pciehp 0000:00:1c.0:pcie004: Slot(3): Link Down", "0000:00:1c.0", KERNLOG_SLOT},
		{"pcieport 0000:00:1c.0: pciehp: Slot(3): Card not present", "0000:00:1c.0",
			KERNLOG_SLOT},
		{"igc 0000:05:00.0 eno1: PCIe link lost, device now detached", "0000:05:00.0",
			KERNLOG_LOST},
		{"pci 0000:02:00.0: BAR 0: no space for [mem size 0x10000000]", "0000:02:00.0",
			KERNLOG_ROOM},
		{"pci 0000:02:00.0: BAR 0 [mem size 0x10000000 64bit pref]: can't assign; no space",
			"0000:02:00.0", KERNLOG_ROOM},
		{"vfio-pci 0000:02:00.0: BAR 1: can't reserve [mem 0xc0000000-0xcfffffff 64bit "
		 "pref]",
			"0000:02:00.0", KERNLOG_TAKEN},
		{"vfio-pci 0000:03:00.0: Device is ineligible for IOMMU domain attach due to "
		 "platform RMRR requirement.  Contact your platform vendor.",
			"0000:03:00.0", KERNLOG_RESERVED},
		{"vfio-pci 0000:00:01.1: can't enable device: BAR 0 [io  0x01f0-0x01f7] not "
		 "claimed",
			"0000:00:01.1", KERNLOG_UNUSABLE},
		{"amdgpu 0000:0c:00.0: amdgpu: GPU reset(2) failed", "0000:0c:00.0", KERNLOG_RESET},
		{"pcieport 0000:00:01.0: PCIe Bus Error: severity=Uncorrected (Fatal), "
		 "type=Transaction Layer",
			"0000:00:01.0", KERNLOG_ERRORS},
		{"AMD-Vi: Event logged [IOTLB_INV_TIMEOUT device=0b:00.0 address=0x7f]",
			"0000:0b:00.0", KERNLOG_LOST},
		{"This system BIOS has enabled interrupt remapping", NULL, KERNLOG_ERRATUM},
		{"DMAR-IR: This system BIOS has enabled interrupt remapping", NULL,
			KERNLOG_ERRATUM},
		{"[Firmware Bug]: AMD-Vi: IOAPIC[7] not in IVRS table", NULL, KERNLOG_REMAPPING},
		{"AMD-Vi: [Firmware Bug]: : IOAPIC[4] not in IVRS table", NULL, KERNLOG_REMAPPING},
		{"DMAR: [Firmware Bug]: Your BIOS is broken; DMAR reported at address fed90000 "
		 "returns all ones!",
			NULL, KERNLOG_FIRMWARE},
	};
	char log[512];

	for (size_t i = 0; i < COUNT(cases); i++) {
		(void)snprintf(log, sizeof(log), "<4>[    1.000000] %s", cases[i].line);
		ck_assert_msg(log_has(log, cases[i].address, cases[i].cause), "%s", log);
		(void)snprintf(log, sizeof(log), "<4>[    1.000000][   T12] %s", cases[i].line);
		ck_assert_msg(log_has(log, cases[i].address, cases[i].cause), "%s", log);
		(void)snprintf(log, sizeof(log), "<4>%s", cases[i].line);
		ck_assert_msg(log_has(log, cases[i].address, cases[i].cause), "%s", log);
	}
}
END_TEST

#define COLD "pci 0000:01:00.0: Unable to change power state from D3cold to D0, device inaccessible"

/* Lines that are not the kernel's, not of this boot, or quote what a device calls itself. */
START_TEST(believes_only_the_kernel)
{
	static const char *const lies[] = {
		"<12>[   1.0] " COLD, /* a write to /dev/kmsg */
		"<30>[   1.0] " COLD, /* systemd */
		"<12>" COLD,
		"<6>[   1.0] usb 1-1: Product: " COLD,
		"<6>[   1.0] audit: type=1400 comm=\"" COLD "\"",
		"<6>[   1.0] x: " COLD,
		"<6>[   1.0] a b c " COLD,
		"<4>[ 912.0] " COLD "\\n<5>[   0.0] Linux version 6.8.0",
		"<4>[ 912.0] " COLD
		"\\n<6>[ 950.0] pci 0000:01:00.0: [10de:2204] type 00 class 0x030000",
		"<6>[   1.0] pci 0000:01:00.0: Refused to change power state from D0 to D3hot",
		"<6>[   1.0] pci 0000:01:00.0: Unable",
		"<4>",
		"[",
	};

	ck_assert(log_has("<4>[   1.0] " COLD, "0000:01:00.0", KERNLOG_COLD));
	for (size_t i = 0; i < COUNT(lies); i++)
		for (enum kernlog_cause cause = 0; cause < KERNLOG_CAUSES; cause++)
			ck_assert_msg(!log_has(lies[i], "0000:01:00.0", cause), "%s", lies[i]);
}
END_TEST

#define DEVICE                                                                              \
	"link /sys/bus/pci/devices/0000:02:00.0 ../../../devices/pci0000:00/0000:02:00.0\n" \
	"at /sys/devices/pci0000:00/0000:02:00.0\n"                                         \
	"file vendor 0x10de\nfile device 0x2204\nfile class 0x030000\nfile revision 0xa1\n" \
	"link iommu_group ../../../kernel/iommu_groups/1\ndir /sys/kernel/iommu_groups/1\n" \
	"link driver ../../../bus/pci/drivers/nvidia\nfile power/runtime_status active\n"   \
	"bytes config 64 0:de100422\n"

static void report_read(const char *log, struct check_report *r)
{
	const struct check_request all = {0};
	struct host *h = host_with_log(log, DEVICE);
	struct err e = {0};

	ck_assert_int_eq(check_run(h, &all, r, &e), 0);
	host_close(h);
}

static const struct check_finding *find(
	const struct check_report *r, const char *id, const char *object)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->list[i].rule->id, id) == 0 && strcmp(r->list[i].object, object) == 0)
			return &r->list[i];
	return NULL;
}

START_TEST(names_a_device_that_is_gone)
{
	struct check_report r;

	report_read("<6>[ 0.1] pci 0000:01:00.0: [10de:1f08] type 00 class 0x030000\\n"
		    "<4>[ 1.0] " COLD "\\n<4>[ 2.0] " COLD "\\n<4>[ 3.0] " COLD,
		&r);
	const struct check_finding *f = find(&r, "H21", "0000:01:00.0");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(strstr(f->text, "is gone (it was 10de:1f08)"));
	ck_assert_ptr_nonnull(strstr(f->value, "(3 lines)"));
	check_report_fini(&r);
}
END_TEST

/* The device of the line is there and answers: nothing of the past is held against it. */
START_TEST(drops_what_no_longer_holds)
{
	struct check_report r;

	report_read("<4>[ 1.0] nvidia 0000:02:00.0: Unable to change power state from D3cold to D0,"
		    " device inaccessible\\n"
		    "<4>[ 1.0] vfio-pci: probe of 0000:02:00.0 failed with error -22\\n"
		    "<4>[ 1.0] nvidia 0000:02:00.0: BAR 1: no space for [mem size 0x10000000]",
		&r);
	ck_assert_ptr_null(find(&r, "H21", "0000:02:00.0"));
	ck_assert_ptr_null(find(&r, "P21", "0000:02:00.0"));
	ck_assert_ptr_null(find(&r, "P26", "0000:02:00.0"));
	check_report_fini(&r);
}
END_TEST

/* Of two lines about a card, the one that names the state is clearer; no matter which is first. */
START_TEST(prefers_the_clearest_line_of_a_card)
{
	const struct check_request all = {0};
	struct host *h = host_with_log(
		"<4>[ 1.0] nvidia 0000:02:00.1: not ready 65535ms after resume; giving up\\n"
		"<4>[ 1.0] nvidia 0000:02:00.1: Unable to change power state from D3cold to D0, "
		"device inaccessible",
		"link /sys/bus/pci/devices/0000:02:00.0 ../../../devices/pci0000:00/0000:02:00.0\n"
		"at /sys/devices/pci0000:00/0000:02:00.0\n"
		"file vendor 0x10de\nfile device 0x2204\nfile class 0x030000\n"
		"file revision 0xff\nlink driver ../../../bus/pci/drivers/nvidia\n"
		"file power_state D3cold\nfile power/runtime_status active\n"
		"bytes config 64 0:ffffffff 4:ffffffff 8:ffffffff\n");
	struct check_report r;
	struct err e = {0};

	ck_assert_int_eq(check_run(h, &all, &r, &e), 0);
	const struct check_finding *f = find(&r, "P21", "0000:02:00.0");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(strstr(f->text, "0000:02:00.1 did not come back from D3cold"));
	check_report_fini(&r);
	host_close(h);
}
END_TEST

START_TEST(says_why_a_named_device_is_not_there)
{
	const struct pci_address a = {.bus = 1};
	const struct check_request q = {.addresses = &a, .address_count = 1};
	struct host *h = host_with_log("<4>[ 1.0] " COLD, DEVICE);
	struct check_report r;
	struct err e = {0};

	ck_assert_int_lt(check_run(h, &q, &r, &e), 0);
	ck_assert_ptr_nonnull(
		strstr(e.msg, "0000:01:00.0: is gone: it did not come back from D3cold"));
	check_report_fini(&r);
	host_close(h);
}
END_TEST

/* The stack below tells what a task that hangs was about. */
START_TEST(tells_an_unbind_that_hangs_from_other_hangs)
{
	static const char hung[] =
		"<3>[ 605.4] INFO: task driverctl:1660 blocked for more than 120 "
		"seconds.\\n<6>[ 605.4] Call Trace:\\n";
	char log[512];

	(void)snprintf(log, sizeof(log), "%s<6>[ 605.4]  unbind_store+0xa0/0xb0", hung);
	ck_assert(log_has(log, NULL, KERNLOG_HUNG));
	(void)snprintf(log, sizeof(log), "%s<6>[ 605.4]  nfs_wait_bit_killable+0x1a/0x90", hung);
	ck_assert(!log_has(log, NULL, KERNLOG_HUNG));
}
END_TEST

/* NVMe's lines name the controller only; the log says which function that is or was. */
START_TEST(ties_nvme_controllers_to_functions)
{
	static const char down[] =
		"<4>[ 9.0] nvme nvme1: controller is down; will reset: CSTS=0xffffffff";
	char log[512];

	(void)snprintf(log, sizeof(log),
		"<6>[ 1.0] nvme nvme0: pci function 0000:03:00.0\\n"
		"<6>[ 1.0] nvme nvme1: pci function 0000:04:00.0\\n%s",
		down);
	ck_assert(log_has(log, "0000:04:00.0", KERNLOG_LOST));
	ck_assert(!log_has(log, "0000:03:00.0", KERNLOG_LOST));
	ck_assert(log_has(down, NULL, KERNLOG_LOST));
}
END_TEST

SUITE("kernlog", knows_lines_of_old_and_new_kernels, believes_only_the_kernel,
	names_a_device_that_is_gone, drops_what_no_longer_holds,
	prefers_the_clearest_line_of_a_card, says_why_a_named_device_is_not_there,
	tells_an_unbind_that_hangs_from_other_hangs, ties_nvme_controllers_to_functions)
