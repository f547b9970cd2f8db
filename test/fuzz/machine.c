/* SPDX-License-Identifier: MIT */
/*
 * What the guest is told of its machine. CPUID fitted to any table that KVM may return: it has
 * room, promises nothing that the machine lacks, and each processor has its number. ACPI tables of
 * any machine: found from the root, in bounds, apart from each other, with sums of 0; each
 * processor, and the windows, are there once.
 *
 * Input: 1 byte which; then processors and leaves, or the machine.
 *
 * covers: src/vmm/cpuid.c src/vmm/acpi/acpi.c src/vmm/acpi/aml.c
 */
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "input.h"
#include "vmm/board.h"
#include "vmm/cpu.h"
#include "vmm/cpuid.h"
#include "vmm/power.h"

#include <check.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TABLES_AT 0xe0000
#define TABLES_SIZE (POWER_VECTOR - TABLES_AT)
#define LEAVES_MAX 255
#define HEADER 36

static size_t count_leaf(const struct kvm_cpuid2 *c, uint32_t leaf)
{
	size_t count = 0;

	for (uint32_t i = 0; i < c->nent; i++)
		count += c->entries[i].function == leaf;
	return count;
}

/* @most: the highest basic leaf. */
static void check_leaf(const struct kvm_cpuid_entry2 *e, const struct cpuid_shape *s, uint32_t most)
{
	switch (e->function) {
	case 1:
		ck_assert(e->ebx >> 24 == s->index && (e->ebx >> 16 & 0xff) == s->cpu_count);
		ck_assert(e->ecx >> 31 && !(e->ecx >> 5 & 1)); /* a hypervisor, no VMX */
		ck_assert((e->ecx >> 24 & 1) == (s->tsc_deadline != 0));
		break;
	case 4:
		ck_assert(!(e->eax & 0x1f) || (e->eax >> 14 & 0xfff) < 256);
		break;
	case 0xb:
	case 0x1f:
		ck_assert(most < e->function ||
			  (e->edx == s->index && (e->ecx >> 8 != 2 || e->ebx == s->cpu_count)));
		break;
	case 0x80000001:
		ck_assert(!(e->ecx & 4)); /* no SVM */
		break;
	case 0x80000008:
		ck_assert(!s->phys_bits || (e->eax & 0xff) <= s->phys_bits);
		ck_assert((e->ecx & 0xff) == s->cpu_count - 1);
		break;
	case 0x8000001e:
		ck_assert(e->eax == s->index);
		break;
	default:
		break;
	}
}

static void try_cpuid(struct input *in)
{
	static const uint32_t leaves[] = {0, 1, 4, 0xb, 0x1f, 0x40000000, 0x40000010, 0x80000000,
		0x80000001, 0x80000002, 0x80000003, 0x80000008, 0x8000001d, 0x8000001e};
	struct kvm_cpuid2 *c =
		calloc(1, sizeof(*c) + (LEAVES_MAX + CPUID_ADDED) * sizeof(c->entries[0]));
	struct cpuid_shape s = {.cpu_count = 1 + input_byte(in) % CPUS_MAX};
	struct cpuid_name name;
	bool is_named = input_byte(in) & 1;

	ck_assert(c);
	s.index = input_byte(in) % s.cpu_count;
	s.phys_bits = input_byte(in) % 53;
	s.tsc_deadline = input_byte(in) & 1;
	s.tsc_khz = (uint32_t)input_bytes(in, 4);
	memset(&name, input_byte(in), sizeof(name));
	while (in->at < in->end && c->nent < LEAVES_MAX)
		c->entries[c->nent++] = (struct kvm_cpuid_entry2){
			.function = leaves[input_byte(in) % COUNT(leaves)],
			.eax = (uint32_t)input_number(in),
			.ebx = (uint32_t)input_number(in),
			.ecx = (uint32_t)input_number(in)};
	uint32_t most = c->nent + CPUID_ADDED, basic = 0;
	for (uint32_t i = c->nent; i--;)
		basic = c->entries[i].function ? basic : c->entries[i].eax;
	if (is_named)
		cpuid_put_name(c, &name);
	if (is_named && name.words[0] && count_leaf(c, 0x80000000))
		for (uint32_t i = 0; i < 3; i++)
			ck_assert(count_leaf(c, 0x80000002 + i) == 1);
	cpuid_fit(c, &s);
	ck_assert(c->nent <= most);
	for (uint32_t i = 0; i < c->nent; i++)
		check_leaf(&c->entries[i], &s, basic);
	(void)cpuid_phys_bits(c);
	(void)cpuid_is_amd(c);
	free(c);
}

static uint8_t buf[TABLES_SIZE];
static uint8_t used[TABLES_SIZE]; /* bytes that belong to a table */

/* The table at @gpa, which nothing else overlaps. */
static const uint8_t *visit_table(uint64_t gpa, const char *signature, int size)
{
	ck_assert(gpa >= TABLES_AT && range_ok(gpa - TABLES_AT, HEADER, (uint64_t)size));
	const uint8_t *t = buf + (gpa - TABLES_AT);
	uint32_t len = le32_get(t + 4);
	uint8_t sum = 0;

	ck_assert(memcmp(t, signature, 4) == 0);
	ck_assert(len >= HEADER && range_ok(gpa - TABLES_AT, len, (uint64_t)size));
	for (uint32_t i = 0; i < len; i++) {
		sum = (uint8_t)(sum + t[i]);
		ck_assert(!used[t - buf + i]);
		used[t - buf + i] = 1;
	}
	ck_assert(!sum);
	return t;
}

static void check_madt(const uint8_t *t, const struct acpi_machine *m)
{
	unsigned cpus = 0, ioapics = 0;
	uint32_t len = le32_get(t + 4);

	for (uint32_t at = 44; at < len; at += t[at + 1]) {
		ck_assert(t[at + 1] >= 2 && at + t[at + 1] <= len);
		if (t[at] == 0)
			ck_assert(t[at + 3] == cpus++);
		ioapics += t[at] == 1 && le32_get(t + at + 4) == m->ioapic;
	}
	ck_assert(cpus == m->cpu_count && ioapics == 1);
}

/* How often the DSDT has a value as one of its fields. */
static size_t count_value(const uint8_t *t, uint64_t v)
{
	size_t count = 0;

	for (uint32_t i = HEADER; i + 8 <= le32_get(t + 4); i++)
		count += le64_get(t + i) == v;
	return count;
}

static void check_tables(const struct acpi_machine *m, int size)
{
	memset(used, 0, sizeof(used));
	ck_assert(memcmp(buf, "RSD PTR ", 8) == 0);
	const uint8_t *xsdt = visit_table(le64_get(buf + 24), "XSDT", size);
	ck_assert(le32_get(xsdt + 4) == HEADER + 3 * 8);
	const uint8_t *fadt = visit_table(le64_get(xsdt + HEADER), "FACP", size);
	const uint8_t *madt = visit_table(le64_get(xsdt + HEADER + 8), "APIC", size);
	const uint8_t *mcfg = visit_table(le64_get(xsdt + HEADER + 16), "MCFG", size);
	const uint8_t *dsdt = visit_table(le64_get(fadt + 140), "DSDT", size);
	check_madt(madt, m);
	ck_assert(le64_get(mcfg + 44) == m->ecam.base);
	ck_assert((mcfg[55] + UINT64_C(1)) << 20 == m->ecam.size);
	if (m->windows.mem64.size)
		ck_assert(
			count_value(dsdt, m->windows.mem64.base + m->windows.mem64.size - 1) >= 1);
}

static void try_tables(struct input *in)
{
	struct acpi_machine m = board_make();
	struct err e = {0};

	m.cpu_count = 1 + input_byte(in) % CPUS_MAX;
	m.slots = 1 + input_byte(in) % 32U;
	m.ecam = (struct pci_window){
		0xe8000000, (1 + input_byte(in) % (uint64_t)PCI_BUSES_MAX) << 20};
	uint8_t windows = input_byte(in);
	if (windows & 1)
		m.windows.io = (struct pci_window){0x1000, 0xf000};
	if (windows & 2)
		m.windows.mem32 = (struct pci_window){0xc0000000, 0x28000000};
	if (windows & 4)
		m.windows.mem64 = (struct pci_window){
			input_number(in) & low_bits(51), 1 + (input_number(in) & low_bits(51))};
	size_t room = windows & 8 ? input_bytes(in, 2) : TABLES_SIZE;
	room = room < TABLES_SIZE ? room : TABLES_SIZE;
	int r = acpi_build(&m, buf, room, GPA(TABLES_AT), &e);
	ck_assert(r > 0 || (e.msg[0] && room < TABLES_SIZE));
	ck_assert(r < 0 || (size_t)r <= room);
	if (r > 0)
		check_tables(&m, r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	if (input_byte(&in) & 1)
		try_cpuid(&in);
	else
		try_tables(&in);
	return 0;
}
