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

	struct kvm_cpuid2 *c = make_table(host, COUNT(host));
	cpuid_fit(c, &one);
	ck_assert_uint_eq(find_leaf(c, 1, 0)->ebx, 0x00010800);
	/* No nested virtualisation, no timer that is not there; a hypervisor is. */
	ck_assert_uint_eq(find_leaf(c, 1, 0)->ecx, 1U << 21 | 1U << 31);
	ck_assert_uint_eq(find_leaf(c, 1, 0)->edx, 0);
	ck_assert_uint_eq(find_leaf(c, 0x80000001, 0)->ecx, 1U << 22);
	free(c);
	c = make_table(host, COUNT(host));
	cpuid_fit(c, &third);
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
	struct kvm_cpuid2 *c = make_table(host, COUNT(host));

	cpuid_fit(c, &shape);
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
	struct kvm_cpuid2 *c = make_table(host, COUNT(host));

	cpuid_fit(c, &shape);
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
	struct kvm_cpuid2 *c = make_table(host, COUNT(host));

	cpuid_fit(c, &shape);
	ck_assert_uint_eq(find_leaf(c, 4, 0)->eax >> 14 & 0xfff, 0);
	ck_assert_uint_eq(find_leaf(c, 4, 0)->eax & 0x3fff, 0x0121);
	ck_assert_uint_eq(find_leaf(c, 4, 1)->eax >> 14 & 0xfff, 3);
	ck_assert_uint_eq(find_leaf(c, 4, 1)->eax >> 26, 3);
	ck_assert_uint_eq(find_leaf(c, 4, 2)->eax, 0);
	ck_assert_uint_eq(find_leaf(c, 0x8000001d, 3)->eax >> 14 & 0xfff, 3);
	ck_assert_uint_eq(find_leaf(c, 0x8000001d, 3)->eax >> 26, 0);
	/* The highest leaf is 4: none was made up above it. */
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
	struct kvm_cpuid2 *c = make_table(host, COUNT(host));

	cpuid_fit(c, &known);
	ck_assert_uint_eq(find_leaf(c, KVM_CPUID_SIGNATURE, 0)->eax, 0x40000010);
	ck_assert_uint_eq(find_leaf(c, 0x40000010, 0)->eax, 2596112);
	ck_assert_uint_eq(find_leaf(c, 0x40000010, 0)->ebx, 1000000);
	free(c);
	c = make_table(host, COUNT(host));
	cpuid_fit(c, &unknown);
	ck_assert_uint_eq(find_leaf(c, KVM_CPUID_SIGNATURE, 0)->eax, KVM_CPUID_FEATURES);
	ck_assert_uint_eq(how_many(c, 0x40000010), 0);
	free(c);
}
END_TEST

SUITE("cpuid", addresses_are_no_wider_than_the_iommus, features_and_identity,
	topology_is_ours_alone, caches_are_shared_as_they_should, frequencies_are_told)
