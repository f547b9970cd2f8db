/* SPDX-License-Identifier: MIT */
#include "vmm/acpi/acpi.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/acpi/aml.h"

#include <errno.h>
#include <string.h>

#define RSDP_SIZE 36
#define RSDP_SIZE_V1 20
#define HEADER_SIZE 36
#define FADT_SIZE 276
#define TABLE_ALIGN 16

#define FADT_DSDT 40
#define FADT_BOOT_ARCH 109
#define FADT_FLAGS 112
#define FADT_RESET 116
#define FADT_RESET_VALUE 128
#define FADT_MINOR 131
#define FADT_X_DSDT 140
#define FADT_SLEEP_CONTROL 244
#define FADT_SLEEP_STATUS 256

/* What this machine lacks, so that the guest does not probe for it. Ref: ACPI 6.4, table 5.11 */
#define BOOT_NO_VGA BIT32(2)
#define BOOT_NO_ASPM BIT32(4)
#define BOOT_NO_RTC BIT32(5)

/* Ref: ACPI 6.4, table 5.10. Buttons: no fixed ones. */
#define FLAG_WBINVD BIT32(0)
#define FLAG_PROC_C1 BIT32(2)
#define FLAG_NO_PWR_BUTTON BIT32(4)
#define FLAG_NO_SLP_BUTTON BIT32(5)
#define FLAG_RESET BIT32(10)
#define FLAG_HW_REDUCED BIT32(20)

#define MADT_LAPIC 0
#define MADT_IOAPIC 1
#define MADT_LAPIC_NMI 4
#define MADT_ENABLED 1

/* Control field and status bits of _OSC. Ref: PCI Firmware 3.2, tables 4-4 and 4-5 */
#define OSC_HOTPLUG BIT32(0)
#define OSC_EXPRESS BIT32(4) /* the PCI Express capability: goes with all others */
#define OSC_UNKNOWN_UUID BIT32(2)
#define OSC_MASKED BIT32(4)

#define NOTIFY_PRESSED 0x80 /* Ref: ACPI 6.4, table 5.165 */

/* Tables one after the other, as the guest sees them. */
struct tables {
	uint8_t *buf;
	size_t size;
	size_t len;
	gpa_t gpa;
	bool full;
};

static uint8_t sum_to_zero(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

/* Reserves @len zeroed bytes. Return: their offset; 0 when they do not fit. */
static size_t reserve_bytes(struct tables *t, size_t len)
{
	size_t at = align_up(t->len, TABLE_ALIGN);

	if (at > t->size || len > t->size - at) {
		t->full = true;
		return 0;
	}
	memset(t->buf + at, 0, len);
	t->len = at + len;
	return at;
}

/* A field of characters, without a NUL. */
static void put_text(uint8_t *p, const char *text)
{
	while (*text)
		*p++ = (uint8_t)*text++;
}

/* Fills in the header of a table whose contents are complete: the checksum covers both. */
static void seal_table(
	struct tables *t, size_t at, const char *signature, uint8_t revision, size_t len)
{
	uint8_t *h = t->buf + at;

	put_text(h, signature);
	le32_put(h + 4, (uint32_t)len);
	h[8] = revision;
	put_text(h + 10, "USHER ");
	put_text(h + 16, "USHERVMM");
	le32_put(h + 24, 1);
	put_text(h + 28, "USHR");
	le32_put(h + 32, 1);
	h[9] = 0;
	h[9] = sum_to_zero(h, len);
}

static uint64_t gpa_of(const struct tables *t, size_t at)
{
	return t->gpa.v + at;
}

/* Generic address structure: a byte-wide port. Ref: ACPI 6.4, 5.2.3.2 */
static void put_port(uint8_t *gas, uint16_t port)
{
	gas[0] = 1; /* system I/O */
	gas[1] = 8; /* bits wide */
	gas[2] = 0;
	gas[3] = 1; /* byte access */
	le64_put(gas + 4, port);
}

/* One INTx route for each pin of each slot. Ref: ACPI 6.4, 6.2.13 */
static void put_prt(struct aml *a, unsigned slots)
{
	aml_name(a, "_PRT");
	size_t all = aml_package(a, (uint8_t)(4 * slots));
	for (unsigned i = 0; i < 4 * slots; i++) {
		size_t one = aml_package(a, 4);
		aml_integer(a, (uint64_t)(i / 4) << 16 | 0xffff); /* any function */
		aml_integer(a, i % 4);
		aml_integer(a, 0); /* no link device: the number is a GSI */
		aml_integer(a, (uint64_t)pci_slot_gsi(i / 4, i % 4 + 1));
		aml_end(a, one);
	}
	aml_end(a, all);
}

/* Sets @bit in the first word of the answer: why the guest does not get all that it requested. */
static void put_osc_status(struct aml *a, uint8_t bit)
{
	aml_op(a, AML_OR);
	aml_reference(a, "CDW1");
	aml_integer(a, bit);
	aml_reference(a, "CDW1");
}

/*
 * Grants the guest control of the slots of its root ports. These report neither PMEs nor errors,
 * and a guest must not change link states: it gets no control of them.
 * Ref: PCI Firmware 3.2, 4.5.1; ACPI 6.4, 6.2.11
 */
static void put_osc(struct aml *a)
{
	/* 33db4d5b-1ff7-401c-9657-7441c03dd766 */
	static const uint8_t uuid[] = {0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40, 0x96, 0x57,
		0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66};

	size_t method = aml_method(a, "_OSC", 4);
	aml_dword_field(a, 3, 0, "CDW1");
	size_t block = aml_if(a);
	aml_op(a, AML_EQUAL);
	aml_op(a, AML_ARG + 0);
	aml_buffer(a, uuid, sizeof(uuid));
	aml_dword_field(a, 3, 8, "CDW3");
	aml_op(a, AML_AND);
	aml_reference(a, "CDW3");
	aml_integer(a, OSC_HOTPLUG | OSC_EXPRESS);
	aml_op(a, AML_LOCAL + 0);
	size_t less = aml_if(a);
	aml_op(a, AML_NOT);
	aml_op(a, AML_EQUAL);
	aml_op(a, AML_LOCAL + 0);
	aml_reference(a, "CDW3");
	put_osc_status(a, OSC_MASKED);
	aml_end(a, less);
	aml_op(a, AML_STORE);
	aml_op(a, AML_LOCAL + 0);
	aml_reference(a, "CDW3");
	aml_end(a, block);
	block = aml_else(a);
	put_osc_status(a, OSC_UNKNOWN_UUID);
	aml_end(a, block);
	aml_op(a, AML_RETURN);
	aml_op(a, AML_ARG + 3);
	aml_end(a, method);
}

static void put_pci(struct aml *a, const struct acpi_machine *m)
{
	const struct pci_windows *w = &m->windows;

	size_t device = aml_device(a, "PCI0");
	aml_name(a, "_HID");
	aml_eisa(a, "PNP0A08"); /* PCI Express */
	aml_name(a, "_CID");
	aml_eisa(a, "PNP0A03");
	aml_name(a, "_UID");
	aml_integer(a, 0);
	aml_name(a, "_CRS");
	size_t crs = aml_resources(a);
	aml_bus_range(a, 0, (uint16_t)(m->ecam.size >> 20));
	aml_ports(a, m->conf1, 8);
	if (w->io.size)
		aml_port_range(a, (uint16_t)w->io.base, (uint32_t)w->io.size);
	if (w->mem32.size)
		aml_memory_range(a, (uint32_t)w->mem32.base, (uint32_t)w->mem32.size);
	if (w->mem64.size)
		aml_memory64_range(a, w->mem64.base, w->mem64.size);
	aml_resources_end(a, crs);
	put_prt(a, m->slots);
	put_osc(a);
	aml_end(a, device);
}

/* The board reserves ECAM: Linux uses ECAM only if a device has reserved it. */
static void put_board(struct aml *a, const struct acpi_machine *m)
{
	size_t device = aml_device(a, "MBRD");

	aml_name(a, "_HID");
	aml_eisa(a, "PNP0C02");
	aml_name(a, "_UID");
	aml_integer(a, 0);
	aml_name(a, "_CRS");
	size_t crs = aml_resources(a);
	aml_memory(a, (uint32_t)m->ecam.base, (uint32_t)m->ecam.size);
	aml_resources_end(a, crs);
	aml_end(a, device);
}

static void put_com1(struct aml *a, const struct acpi_machine *m)
{
	size_t device = aml_device(a, "COM1");

	aml_name(a, "_HID");
	aml_eisa(a, "PNP0501"); /* 16550A */
	aml_name(a, "_UID");
	aml_integer(a, 1);
	aml_name(a, "_CRS");
	size_t crs = aml_resources(a);
	aml_ports(a, m->com1, 8);
	aml_irq(a, m->com1_pin);
	aml_resources_end(a, crs);
	aml_end(a, device);
}

/* Linux's pvpanic driver finds the port by this name. Ref: QEMU docs/specs/pvpanic */
static void put_pvpanic(struct aml *a, const struct acpi_machine *m)
{
	size_t device = aml_device(a, "PEVT");

	aml_name(a, "_HID");
	aml_string(a, "QEMU0001");
	aml_name(a, "_CRS");
	size_t crs = aml_resources(a);
	aml_ports(a, m->panic, 1);
	aml_resources_end(a, crs);
	aml_end(a, device);
}

/*
 * The power button. Without fixed hardware, events come by interrupts of a generic event device,
 * whose method says what each of them means. The guest's kernel finds that driver before the
 * button's, so an early press is lost. Ref: ACPI 6.4, 4.8.2.2.1.2 and 5.6.9
 */
static void put_button(struct aml *a, const struct acpi_machine *m)
{
	size_t button = aml_device(a, "PWRB");

	aml_name(a, "_HID");
	aml_eisa(a, "PNP0C0C");
	aml_end(a, button);
	size_t events = aml_device(a, "GED0");
	aml_name(a, "_HID");
	aml_string(a, "ACPI0013");
	aml_name(a, "_UID");
	aml_integer(a, 0);
	aml_name(a, "_CRS");
	size_t crs = aml_resources(a);
	aml_irq(a, m->button_pin);
	aml_resources_end(a, crs);
	size_t method = aml_method(a, "_EVT", 1);
	aml_op(a, AML_NOTIFY);
	aml_reference(a, "PWRB");
	aml_integer(a, NOTIFY_PRESSED);
	aml_end(a, method);
	aml_end(a, events);
}

/* Soft-off: the value for SLP_TYP. Some guests expect all four elements. */
static void put_s5(struct aml *a, const struct acpi_machine *m)
{
	aml_name(a, "\\_S5");
	size_t package = aml_package(a, 4);
	aml_integer(a, m->sleep_s5);
	aml_integer(a, m->sleep_s5);
	aml_integer(a, 0);
	aml_integer(a, 0);
	aml_end(a, package);
}

static size_t put_dsdt(struct tables *t, const struct acpi_machine *m)
{
	size_t at = reserve_bytes(t, HEADER_SIZE);
	struct aml a = {.buf = t->buf + t->len, .size = t->size - t->len, .full = t->full};

	size_t scope = aml_scope(&a, "\\_SB");
	put_pci(&a, m);
	put_board(&a, m);
	put_com1(&a, m);
	put_pvpanic(&a, m);
	put_button(&a, m);
	aml_end(&a, scope);
	put_s5(&a, m);
	t->len += a.len;
	t->full |= a.full;
	if (!t->full)
		seal_table(t, at, "DSDT", 2, HEADER_SIZE + a.len);
	return at;
}

static size_t put_fadt(struct tables *t, const struct acpi_machine *m, size_t dsdt)
{
	size_t at = reserve_bytes(t, FADT_SIZE);
	uint8_t *f = t->buf + at;

	if (t->full)
		return 0;
	le32_put(f + FADT_DSDT, (uint32_t)gpa_of(t, dsdt));
	le16_put(f + FADT_BOOT_ARCH, BOOT_NO_VGA | BOOT_NO_ASPM | BOOT_NO_RTC);
	le32_put(f + FADT_FLAGS, FLAG_WBINVD | FLAG_PROC_C1 | FLAG_NO_PWR_BUTTON |
					 FLAG_NO_SLP_BUTTON | FLAG_RESET | FLAG_HW_REDUCED);
	put_port(f + FADT_RESET, m->reset);
	f[FADT_RESET_VALUE] = m->reset_value;
	f[FADT_MINOR] = 4;
	le64_put(f + FADT_X_DSDT, gpa_of(t, dsdt));
	put_port(f + FADT_SLEEP_CONTROL, m->sleep_control);
	put_port(f + FADT_SLEEP_STATUS, m->sleep_status);
	seal_table(t, at, "FACP", 6, FADT_SIZE);
	return at;
}

static size_t put_madt(struct tables *t, const struct acpi_machine *m)
{
	size_t len = HEADER_SIZE + 8 + 8 * (size_t)m->cpu_count + 12 + 6;
	size_t at = reserve_bytes(t, len);
	uint8_t *p = t->buf + at + HEADER_SIZE;

	if (t->full)
		return 0;
	le32_put(p, m->lapic);
	le32_put(p + 4, 0); /* no PCAT_COMPAT: there is no 8259 */
	p += 8;
	for (unsigned i = 0; i < m->cpu_count; i++, p += 8) {
		p[0] = MADT_LAPIC;
		p[1] = 8;
		p[2] = p[3] = (uint8_t)i; /* processor uid, APIC id */
		le32_put(p + 4, MADT_ENABLED);
	}
	p[0] = MADT_IOAPIC;
	p[1] = 12;
	le32_put(p + 4, m->ioapic);
	le32_put(p + 8, 0); /* first GSI */
	p += 12;
	p[0] = MADT_LAPIC_NMI;
	p[1] = 6;
	p[2] = 0xff; /* all processors */
	p[5] = 1; /* LINT1 */
	seal_table(t, at, "APIC", 5, len);
	return at;
}

static size_t put_mcfg(struct tables *t, const struct acpi_machine *m)
{
	size_t len = HEADER_SIZE + 8 + 16;
	size_t at = reserve_bytes(t, len);
	uint8_t *p = t->buf + at + HEADER_SIZE + 8;

	if (t->full)
		return 0;
	le64_put(p, m->ecam.base);
	p[11] = (uint8_t)((m->ecam.size >> 20) - 1); /* last bus; segment and first are 0 */
	seal_table(t, at, "MCFG", 1, len);
	return at;
}

static size_t put_xsdt(struct tables *t, const size_t *tables, size_t count)
{
	size_t len = HEADER_SIZE + 8 * count;
	size_t at = reserve_bytes(t, len);

	if (t->full)
		return 0;
	for (size_t i = 0; i < count; i++)
		le64_put(t->buf + at + HEADER_SIZE + 8 * i, gpa_of(t, tables[i]));
	seal_table(t, at, "XSDT", 1, len);
	return at;
}

static void put_rsdp(struct tables *t, size_t at, size_t xsdt)
{
	uint8_t *p = t->buf + at;

	put_text(p, "RSD PTR ");
	put_text(p + 9, "USHER ");
	p[15] = 2; /* revision: with an XSDT */
	le32_put(p + 20, RSDP_SIZE);
	le64_put(p + 24, gpa_of(t, xsdt));
	p[8] = sum_to_zero(p, RSDP_SIZE_V1);
	p[32] = sum_to_zero(p, RSDP_SIZE);
}

int acpi_build(const struct acpi_machine *m, uint8_t *buf, size_t size, gpa_t gpa, struct err *e)
{
	struct tables t = {.buf = buf, .size = size, .gpa = gpa};

	size_t rsdp = reserve_bytes(&t, RSDP_SIZE);
	size_t dsdt = put_dsdt(&t, m);
	size_t fadt = put_fadt(&t, m, dsdt);
	size_t madt = put_madt(&t, m);
	size_t mcfg = put_mcfg(&t, m);
	size_t xsdt = put_xsdt(&t, (const size_t[]){fadt, madt, mcfg}, 3);
	if (t.full)
		return err_say(e, -ENOSPC,
			"describe the machine to the guest: ACPI tables of more than %zu bytes",
			size);
	put_rsdp(&t, rsdp, xsdt);
	return (int)t.len;
}
