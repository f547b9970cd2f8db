/* SPDX-License-Identifier: MIT */
#include "vmm/cpuid.h"

#include "base/num.h"
#include "suite.h"

#include <asm/kvm_para.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

static struct kvm_cpuid2 *make_table(const struct kvm_cpuid_entry2 *entries, uint32_t count)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + (count + CPUID_ADDED) * sizeof(entries[0]));

	c->nent = count;
	memcpy(c->entries, entries, count * sizeof(entries[0]));
	return c;
}

static struct kvm_cpuid2 *fit_table(
	const struct kvm_cpuid_entry2 *entries, uint32_t count, const struct cpuid_shape *shape)
{
	struct kvm_cpuid2 *c = make_table(entries, count);

	cpuid_fit(c, shape);
	return c;
}

static const struct kvm_cpuid_entry2 *find_leaf(
	const struct kvm_cpuid2 *c, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < c->nent; i++)
		if (c->entries[i].function == function && c->entries[i].index == index)
			return &c->entries[i];
	ck_abort_msg("no leaf 0x%x.%u", function, index);
	return NULL;
}

static uint32_t how_many(const struct kvm_cpuid2 *c, uint32_t function)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->nent; i++)
		n += c->entries[i].function == function;
	return n;
}

START_TEST(features_and_identity)
{
	const struct kvm_cpuid_entry2 host[] = {
		{.function = 0, .eax = 0xd},
		{.function = 1, .ebx = 0x07120800, .ecx = 1U << 5 | 1U << 21, .edx = 1U << 28},
		{.function = 0x80000001, .ecx = 1U << 2 | 1U << 1 | 1U << 22},
	};
	const struct cpuid_shape one = {.cpu_count = 1, .index = 0};
	const struct cpuid_shape third = {.cpu_count = 5, .index = 3, .tsc_deadline = 1};

	struct kvm_cpuid2 *c = fit_table(host, COUNT(host), &one);

	ck_assert_uint_eq(find_leaf(c, 1, 0)->ebx, 0x00010800);
	/*
	 * The guest sees no nested virtualisation and no missing timer; it sees that it has a
	 * hypervisor.
	 */
	ck_assert_uint_eq(find_leaf(c, 1, 0)->ecx, 1U << 21 | 1U << 31);
	ck_assert_uint_eq(find_leaf(c, 1, 0)->edx, 0);
	ck_assert_uint_eq(find_leaf(c, 0x80000001, 0)->ecx, 1U << 22);
	free(c);
	c = fit_table(host, COUNT(host), &third);
	ck_assert_uint_eq(find_leaf(c, 1, 0)->ebx, 0x03050800);
	ck_assert_uint_eq(find_leaf(c, 1, 0)->ecx, 1U << 21 | 1U << 24 | 1U << 31);
	ck_assert_uint_eq(find_leaf(c, 1, 0)->edx, 1U << 28);
	ck_assert_uint_eq(find_leaf(c, 0x80000001, 0)->ecx, 1U << 22 | 1U << 1);
	free(c);
}
END_TEST

START_TEST(topology_is_ours_alone)
{
	const struct kvm_cpuid_entry2 host[] = {
		{.function = 0, .eax = 0x1f},
		{.function = 0xb, .index = 0, .eax = 1, .ebx = 2, .edx = 77},
		{.function = 0xb, .index = 1, .eax = 7, .ebx = 128, .edx = 77},
		{.function = 0x80000008, .eax = 0x3028, .ecx = 0x707f},
		{.function = 0x8000001e, .eax = 77, .ebx = 0x0126, .ecx = 3},
	};
	const struct cpuid_shape shape = {.cpu_count = 6, .index = 5};
	struct kvm_cpuid2 *c = fit_table(host, COUNT(host), &shape);

	for (uint32_t f = 0xb; f <= 0x1f; f += 0x14) {
		ck_assert_uint_eq(how_many(c, f), 3);
		ck_assert_uint_eq(find_leaf(c, f, 0)->eax, 0);
		ck_assert_uint_eq(find_leaf(c, f, 0)->ecx, 0x100);
		ck_assert_uint_eq(find_leaf(c, f, 1)->eax, 3); /* bits for 6 */
		ck_assert_uint_eq(find_leaf(c, f, 1)->ebx, 6);
		ck_assert_uint_eq(find_leaf(c, f, 1)->ecx, 0x201);
		ck_assert_uint_eq(find_leaf(c, f, 2)->ecx, 2);
		ck_assert_uint_eq(find_leaf(c, f, 2)->edx, 5);
	}
	ck_assert_uint_eq(find_leaf(c, 0x80000008, 0)->eax, 0x3028);
	ck_assert_uint_eq(find_leaf(c, 0x80000008, 0)->ecx, 0x3005);
	ck_assert_uint_eq(find_leaf(c, 0x8000001e, 0)->eax, 5);
	free(c);
}
END_TEST

START_TEST(addresses_are_no_wider_than_the_iommus)
{
	const struct kvm_cpuid_entry2 host[] = {{.function = 0x80000008, .eax = 0x302e}};
	struct cpuid_shape shape = {.cpu_count = 1, .phys_bits = 39};
	struct kvm_cpuid2 *c = fit_table(host, COUNT(host), &shape);

	ck_assert_uint_eq(find_leaf(c, 0x80000008, 0)->eax, 0x3027);
	shape.phys_bits = 52;
	cpuid_fit(c, &shape);
	ck_assert_uint_eq(find_leaf(c, 0x80000008, 0)->eax, 0x3027);
	free(c);
}
END_TEST

START_TEST(caches_are_shared_as_they_should)
{
	const struct kvm_cpuid_entry2 host[] = {
		{.function = 0, .eax = 4},
		{.function = 4, .index = 0, .eax = 0x1c004121}, /* L1, shared by two threads */
		{.function = 4, .index = 1, .eax = 0x1c03c163}, /* L3, by all */
		{.function = 4, .index = 2, .eax = 0},
		{.function = 0x8000001d, .index = 3, .eax = 0x4163},
	};
	const struct cpuid_shape shape = {.cpu_count = 4, .index = 0};
	struct kvm_cpuid2 *c = fit_table(host, COUNT(host), &shape);

	ck_assert_uint_eq(find_leaf(c, 4, 0)->eax >> 14 & 0xfff, 0);
	ck_assert_uint_eq(find_leaf(c, 4, 0)->eax & 0x3fff, 0x0121);
	ck_assert_uint_eq(find_leaf(c, 4, 1)->eax >> 14 & 0xfff, 3);
	ck_assert_uint_eq(find_leaf(c, 4, 1)->eax >> 26, 3);
	ck_assert_uint_eq(find_leaf(c, 4, 2)->eax, 0);
	ck_assert_uint_eq(find_leaf(c, 0x8000001d, 3)->eax >> 14 & 0xfff, 3);
	ck_assert_uint_eq(find_leaf(c, 0x8000001d, 3)->eax >> 26, 0);
	/* The highest leaf is 4, and usher-vmm adds none above it. */
	ck_assert_uint_eq(how_many(c, 0xb), 0);
	free(c);
}
END_TEST

START_TEST(frequencies_are_told)
{
	const struct kvm_cpuid_entry2 host[] = {
		{.function = 0, .eax = 4},
		{.function = KVM_CPUID_SIGNATURE, .eax = KVM_CPUID_FEATURES},
	};
	const struct cpuid_shape known = {.cpu_count = 1, .tsc_khz = 2596112};
	const struct cpuid_shape unknown = {.cpu_count = 1};
	struct kvm_cpuid2 *c = fit_table(host, COUNT(host), &known);

	ck_assert_uint_eq(find_leaf(c, KVM_CPUID_SIGNATURE, 0)->eax, 0x40000010);
	ck_assert_uint_eq(find_leaf(c, 0x40000010, 0)->eax, 2596112);
	ck_assert_uint_eq(find_leaf(c, 0x40000010, 0)->ebx, 1000000);
	free(c);
	c = fit_table(host, COUNT(host), &unknown);
	ck_assert_uint_eq(find_leaf(c, KVM_CPUID_SIGNATURE, 0)->eax, KVM_CPUID_FEATURES);
	ck_assert_uint_eq(how_many(c, 0x40000010), 0);
	free(c);
}
END_TEST

/* Fields of six bits, of eight bits, and as wide as a processor's number needs. */
START_TEST(many_processors)
{
	const struct kvm_cpuid_entry2 host[] = {
		{.function = 0, .eax = 0xb},
		{.function = 1},
		{.function = 4, .index = 3, .eax = 0x163},
		{.function = 0x80000008, .eax = 0x3030},
	};
	const struct cpuid_shape last = {.cpu_count = 240, .index = 239};
	struct kvm_cpuid2 *c = fit_table(host, COUNT(host), &last);

	ck_assert_uint_eq(find_leaf(c, 1, 0)->ebx, 0xeff00000);
	ck_assert_uint_eq(find_leaf(c, 4, 3)->eax >> 26, 63);
	ck_assert_uint_eq(find_leaf(c, 4, 3)->eax >> 14 & 0xfff, 255);
	ck_assert_uint_eq(find_leaf(c, 0xb, 1)->ebx, 240);
	ck_assert_uint_eq(find_leaf(c, 0xb, 1)->eax, 8);
	ck_assert_uint_eq(find_leaf(c, 0xb, 0)->edx, 239);
	ck_assert_uint_eq(find_leaf(c, 0x80000008, 0)->ecx, 0x80ef);
	free(c);
}
END_TEST

START_TEST(the_processor_has_its_name)
{
	const struct kvm_cpuid_entry2 host[] = {
		{.function = 0x80000000, .eax = 0x80000001}, /* an empty name */
		{.function = 0x80000003, .eax = 77}, /* zeros, from KVM */
	};
	struct cpuid_name name = {.words = {0}}, none = {.words = {0}};
	char text[sizeof(name)] = "AMD EPYC Processor of nobody, with 48 characters";
	struct kvm_cpuid2 *c = make_table(host, COUNT(host));

	cpuid_put_name(c, &none);
	ck_assert_uint_eq(c->nent, 2);
	memcpy(name.words, text, sizeof(name));
	cpuid_put_name(c, &name);
	ck_assert_uint_eq(find_leaf(c, 0x80000000, 0)->eax, 0x80000004);
	memset(text, 0, sizeof(text));
	for (uint32_t i = 0; i < 3; i++) {
		const struct kvm_cpuid_entry2 *e = find_leaf(c, 0x80000002 + i, 0);
		ck_assert_uint_eq(how_many(c, 0x80000002 + i), 1);
		memcpy(text + 16 * (size_t)i, &e->eax, 16);
	}
	ck_assert_mem_eq(text, "AMD EPYC Processor of nobody, with 48 characters", 48);
	free(c);
}
END_TEST

START_TEST(knows_who_made_it)
{
	static const struct {
		const char *vendor; /* EBX, EDX, ECX */
		bool amd;
	} rows[] = {{"AuthenticAMD", true}, {"HygonGenuine", true}, {"GenuineIntel", false}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct kvm_cpuid_entry2 e = {.function = 0};
		memcpy(&e.ebx, rows[i].vendor, 4);
		memcpy(&e.edx, rows[i].vendor + 4, 4);
		memcpy(&e.ecx, rows[i].vendor + 8, 4);
		struct kvm_cpuid2 *c = make_table(&e, 1);
		ck_assert_int_eq(cpuid_is_amd(c), rows[i].amd);
		ck_assert_uint_eq(cpuid_phys_bits(c), 36);
		free(c);
	}
}
END_TEST

SUITE("cpuid", many_processors, the_processor_has_its_name, knows_who_made_it,
	addresses_are_no_wider_than_the_iommus, features_and_identity, topology_is_ours_alone,
	caches_are_shared_as_they_should, frequencies_are_told)
