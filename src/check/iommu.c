/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "check/bootadvice.h"
#include "check/bootwords.h"
#include "check/hypervisor.h"
#include "check/option.h"
#include "check/rule.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Rules about the IOMMU of the host: firmware, kernel, interrupts, faults, width. */

#define TABLES "/sys/firmware/acpi/tables"

/* A machine without ACPI, such as a Raspberry Pi: its device tree says all that there is. */
bool check_is_board(struct check_case *c)
{
	struct check_cpu cpu = check_cpu_read(c);

	return !cpu.intel && !cpu.amd && !cpu.is_guest && !check_exists(c->host, TABLES) &&
	       check_exists(c->host, "/proc/device-tree");
}

void check_firmware_iommu(struct check_case *c)
{
	struct check_cpu cpu = check_cpu_read(c);

	if (c->iommu != PCI_IOMMU_FIRMWARE)
		return;
	if (hypervisor_is_xen(c)) {
		hypervisor_tell_xen(c);
		return;
	}
	if (check_is_board(c)) {
		check_found(c, CHECK_FAIL, "host",
			"this board has no IOMMU that the kernel uses for PCI devices");
		check_seen(c, "/sys/class/iommu", "no IOMMU");
		check_fix(c, "use another machine: no setting of this one lends a device");
		return;
	}
	check_found(c, CHECK_FAIL, "host",
		"the firmware reports no IOMMU: there is none, "
		"or it is disabled in the firmware setup");
	check_seen(c, TABLES, "no DMAR, IVRS, IORT, RIMT or VIOT");
	if (cpu.is_guest)
		check_fix(c, "%s", hypervisor_fix(c));
	else if (cpu.intel)
		check_fix(c, "enable VT-d in the firmware setup and reboot");
	else if (cpu.amd)
		check_fix(c, "set IOMMU (AMD-Vi) to 'Enabled', not 'Auto', "
			     "in the firmware setup and reboot");
	else
		check_fix(c, "enable VT-d (Intel) or IOMMU, AMD-Vi (AMD) in the firmware setup and "
			     "reboot");
}

/* The option may be configured already, where its owner reads it, and wait for a boot. */
static void suggest_option(struct check_case *c, const char *word)
{
	const struct boot_line *l = boot_line_with(&c->boot, word);
	char fix[320];

	if (!l) {
		boot_how_to_add(&c->boot, word, fix, sizeof(fix));
		check_fix(c, "%s", fix);
		return;
	}
	check_how_to_apply(c, word, fix, sizeof(fix));
	check_fix(c, "'%s' is in line %u of %s but was not booted: %s", word, l->number, l->file,
		fix);
}

void check_kernel_iommu(struct check_case *c)
{
	static const char *const off[] = {"intel_iommu=off", "amd_iommu=off", "iommu=off"};
	const char *booted = c->boot.booted ? c->boot.booted : "";
	char fix[256];

	if (c->iommu != PCI_IOMMU_KERNEL)
		return;
	if (hypervisor_is_xen(c)) {
		hypervisor_tell_xen(c);
		return;
	}
	check_found(c, CHECK_FAIL, "host",
		"the firmware reports an IOMMU, but the kernel does not use it");
	check_seen(c, "/proc/cmdline", booted);
	for (size_t i = 0; i < COUNT(off); i++) {
		if (!boot_has(booted, off[i], NULL, 0))
			continue;
		boot_how_to_drop(&c->boot, off[i], fix, sizeof(fix));
		check_fix(c, "%s", fix);
		return;
	}
	const struct kernlog_event *x = kernlog_any(&c->log, KERNLOG_FIRMWARE);
	if (x) {
		check_logged_seen(c, x);
		check_logged_fix(c, x);
	} else if (check_exists(c->host, TABLES "/DMAR"))
		suggest_option(c, "intel_iommu=on");
	else if (check_exists(c->host, TABLES "/IVRS"))
		check_fix(c, "an AMD IOMMU needs no kernel option: look for AMD-Vi errors in "
			     "dmesg, and for a firmware update");
	else
		check_fix(c, "boot a kernel that has a driver for this IOMMU (CONFIG_ARM_SMMU_V3, "
			     "CONFIG_VIRTIO_IOMMU), and look for its errors in dmesg");
}

/* The kernel says why it does not remap interrupts. @option: NULL if it is set already. */
static void tell_remapping(struct check_case *c, const struct kernlog_event *x, const char *option)
{
	(void)snprintf(c->last->text, sizeof(c->last->text),
		"interrupts are not remapped: a device could forge them%s; %s",
		option ? ", so VFIO refuses" : "", kernlog_advice(x->cause)->text);
	check_logged_seen(c, x);
	if (option)
		check_fix(c, "%s; only if you trust all guests, %s", kernlog_advice(x->cause)->fix,
			option);
	else
		check_fix(c, "lend devices only to guests that you trust");
}

/* Elsewhere the names of chips have a word in front: "ITS-PCI-MSIX-0000:01:00.0" of Arm's GIC. */
static bool has_pc_interrupts(const char *text)
{
	const char *msi = strstr(text, "PCI-MSI");

	return strstr(text, "IO-APIC") || (msi && (msi == text || msi[-1] != '-'));
}

void check_remapping(struct check_case *c)
{
	cleanup_free char *text = NULL;
	char fix[256];
	bool unsafe = check_flag_set(
		c, "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");

	if (c->iommu != PCI_IOMMU_ON)
		return;
	ssize_t n = host_read_all(c->host, "/proc/interrupts", &text);
	if (n < 0) {
		check_blind(c, "/proc/interrupts", (int)n);
		return;
	}
	if (!has_pc_interrupts(text) || strstr(text, "IR-"))
		return;
	check_found(c, unsafe ? CHECK_WARN : CHECK_FAIL, "host",
		"interrupts are not remapped: a device could forge them, so VFIO refuses");
	check_seen(c, "/proc/interrupts", "no chip is called IR-...");
	const struct kernlog_event *x = kernlog_any(&c->log, KERNLOG_ERRATUM);
	if (!x)
		x = kernlog_any(&c->log, KERNLOG_REMAPPING);
	option_how_to_set(c, "vfio_iommu_type1", "allow_unsafe_interrupts=1", fix, sizeof(fix));
	if (x) {
		tell_remapping(c, x, unsafe ? NULL : fix);
		return;
	}
	check_fix(c,
		"enable interrupt remapping and x2APIC in the firmware setup; "
		"without it, and only if you trust all guests, %s",
		fix);
}

/* The address in "… [02:00.0] …" or "… device=0000:02:00.0 …"; "" when there is none. */
static const char *fault_address(const char *line, char buf[PCI_ADDRESS_TEXT])
{
	char word[PCI_ADDRESS_TEXT];
	struct pci_address a;

	buf[0] = '\0';
	for (const char *p = line; *p && *p != '\n'; p++) {
		size_t n = strspn(p, "0123456789abcdefABCDEF:.");

		if (n > 6 && n < sizeof(word)) {
			memcpy(word, p, n);
			word[n] = '\0';
			if (pci_address_parse(word, &a) == 0) {
				pci_address_format(a, buf);
				return buf;
			}
		}
		if (n)
			p += n - 1;
	}
	return buf;
}

static bool is_fault(const char *line, size_t len)
{
	static const char *const marks[] = {"DMAR: [DMA", "DMAR:[DMA", "IO_PAGE_FAULT"};

	for (size_t i = 0; i < COUNT(marks); i++)
		if (memmem(line, len, marks[i], strlen(marks[i])))
			return true;
	return false;
}

#define FAULTS_MAX 8

struct fault {
	char address[PCI_ADDRESS_TEXT]; /* "" if the line has none */
	struct kernlog_event event;
};

/* Counts a fault of a device. Return: the number of devices. */
static size_t fault_count(struct fault *list, size_t count, const struct kernlog_line *line)
{
	const char *end = memchr(line->whole, ']', line->len);
	char address[PCI_ADDRESS_TEXT];
	size_t i;

	fault_address(end ? end : line->whole, address);
	for (i = 0; i < count && strcmp(list[i].address, address) != 0;)
		i++;
	if (i == FAULTS_MAX)
		return count;
	if (i == count) {
		list[i].event = (struct kernlog_event){.line = line->whole, .len = line->len};
		memcpy(list[i].address, address, sizeof(address));
		count++;
	}
	list[i].event.count++;
	return count;
}

void check_faults(struct check_case *c)
{
	const char *at = c->log.text ? c->log.text : "";
	struct fault faults[FAULTS_MAX];
	struct kernlog_line line;
	size_t count = 0;

	if (c->log.error < 0)
		check_blind(c, HOST_KERNEL_LOG, c->log.error);
	while (kernlog_next(&at, &line))
		if (is_fault(line.whole, line.len))
			count = fault_count(faults, count, &line);
	for (size_t i = 0; i < count; i++) {
		const char *address = faults[i].address;

		check_found(c, CHECK_WARN, address[0] ? address : "host",
			"the IOMMU blocked %s DMA to an address that was not mapped",
			address[0] ? "its" : "a device's");
		check_logged_seen(c, &faults[i].event);
		check_fix(c, "harmless right after a guest ends; otherwise the driver or firmware "
			     "uses memory that it does not own");
	}
}

struct width {
	struct host *host;
	unsigned least; /* [bits] */
	char name[64];
	uint64_t cap;
};

static int read_width(void *arg, const char *name)
{
	struct width *w = arg;
	char path[FILE_PATH_MAX], text[32];
	uint64_t cap;

	if (file_path(path, sizeof(path), "/sys/class/iommu/%s/intel-iommu/cap", name) < 0 ||
		host_read_text(w->host, path, text, sizeof(text)) < 0 ||
		num_parse(text, 16, UINT64_MAX, &cap) < 0)
		return 0;
	/* MGAW, bits 21:16 of the capability register; Intel VT-d 11.4.2. */
	unsigned bits = (unsigned)(cap >> 16 & 0x3f) + 1;
	if (w->least && bits >= w->least)
		return 0;
	w->least = bits;
	w->cap = cap;
	(void)snprintf(w->name, sizeof(w->name), "%s", name);
	return 0;
}

void check_width(struct check_case *c)
{
	struct width w = {.host = c->host};
	char path[FILE_PATH_MAX], value[32];

	if (c->host->ops->list(c->host, "/sys/class/iommu", read_width, &w) < 0 || !w.least)
		return;
	bool narrow = w.least <= 39;
	check_found(c, narrow ? CHECK_WARN : CHECK_INFO, w.name,
		"supports addresses of %u bits: a guest's memory and BARs must be below %llu GiB",
		w.least, 1ull << (w.least < 30 ? 0 : w.least - 30));
	(void)file_path(path, sizeof(path), "/sys/class/iommu/%s/intel-iommu/cap", w.name);
	(void)snprintf(value, sizeof(value), "%" PRIx64, w.cap);
	check_seen(c, path, value);
	if (narrow)
		check_fix(c,
			"for QEMU: -cpu host,host-phys-bits-limit=%u keeps guest BARs below "
			"that limit",
			w.least);
}
