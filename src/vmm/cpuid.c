/* SPDX-License-Identifier: MIT */
#include "vmm/cpuid.h"

#include "base/bits.h"
#include "base/err.h"
#include "vmm/vm.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/*
 * Leaves and bits: Intel SDM 2A CPUID; AMD APM 3, appendix E; KVM's own from 0x40000000.
 */
#define CPUID_ROOM 256

#define LEAF_FEATURES 0x1
#define LEAF_CACHE 0x4
#define LEAF_TOPOLOGY 0xb
#define LEAF_TOPOLOGY_V2 0x1f
#define LEAF_HYPERVISOR_TIMING 0x40000010
#define LEAF_AMD_FEATURES 0x80000001
#define LEAF_WIDTHS 0x80000008
#define LEAF_AMD_CACHE 0x8000001d
#define LEAF_AMD_TOPOLOGY 0x8000001e

#define ECX_VMX BIT32(5)
#define ECX_TSC_DEADLINE BIT32(24)
#define ECX_HYPERVISOR BIT32(31)
#define EDX_HTT BIT32(28)
#define AMD_ECX_CMP_LEGACY BIT32(1)
#define AMD_ECX_SVM BIT32(2)

#define LAPIC_BUS_KHZ 1000000 /* KVM's LAPIC timer counts nanoseconds */

/* How many bits of an APIC id number the processors of the socket. */
static unsigned id_bits(unsigned count)
{
	unsigned bits = 0;

	while ((1U << bits) < count)
		bits++;
	return bits;
}

static struct kvm_cpuid_entry2 *find_leaf(struct kvm_cpuid2 *c, uint32_t leaf)
{
	for (uint32_t i = 0; i < c->nent; i++)
		if (c->entries[i].function == leaf)
			return &c->entries[i];
	return NULL;
}

static void drop_leaf(struct kvm_cpuid2 *c, uint32_t leaf)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < c->nent; i++)
		if (c->entries[i].function != leaf)
			c->entries[kept++] = c->entries[i];
	c->nent = kept;
}

/* Leaves 0xb and 0x1f: level 0 is the thread, level 1 the core, then nothing. */
static void put_topology(struct kvm_cpuid2 *c, uint32_t leaf, const struct cpuid_shape *s)
{
	const struct {
		uint32_t shift, count, type;
	} levels[] = {{0, 1, 1}, {id_bits(s->cpu_count), s->cpu_count, 2}, {0, 0, 0}};

	drop_leaf(c, leaf);
	for (uint32_t i = 0; i < 3; i++)
		c->entries[c->nent++] = (struct kvm_cpuid_entry2){
			.function = leaf,
			.index = i,
			.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			.eax = levels[i].shift,
			.ebx = levels[i].count,
			.ecx = i | levels[i].type << 8,
			.edx = s->index,
		};
}

/* L1 and L2 belong to one core, later levels to the socket. */
static void fit_cache(struct kvm_cpuid_entry2 *e, const struct cpuid_shape *s)
{
	uint32_t level = e->eax >> 5 & 7;
	uint32_t shared = level >= 3 ? (1U << id_bits(s->cpu_count)) - 1 : 0;

	if (!(e->eax & 0x1f))
		return;
	e->eax = (e->eax & 0x3fff) | shared << 14;
	/* Intel's leaf also counts the cores; AMD reserves these bits. */
	if (e->function == LEAF_CACHE)
		e->eax |= ((1U << id_bits(s->cpu_count)) - 1) << 26;
}

static void fit_features(struct kvm_cpuid_entry2 *e, const struct cpuid_shape *s)
{
	e->ebx = (e->ebx & 0xffff) | s->index << 24 | (s->cpu_count & 0xff) << 16;
	e->ecx = (e->ecx & ~(ECX_VMX | ECX_TSC_DEADLINE)) | ECX_HYPERVISOR;
	if (s->tsc_deadline)
		e->ecx |= ECX_TSC_DEADLINE;
	e->edx = s->cpu_count > 1 ? e->edx | EDX_HTT : e->edx & ~EDX_HTT;
}

static void fit_entry(struct kvm_cpuid_entry2 *e, const struct cpuid_shape *s)
{
	switch (e->function) {
	case LEAF_FEATURES:
		fit_features(e, s);
		break;
	case LEAF_CACHE:
	case LEAF_AMD_CACHE:
		fit_cache(e, s);
		break;
	case LEAF_AMD_FEATURES:
		e->ecx &= ~AMD_ECX_SVM;
		e->ecx = s->cpu_count > 1 ? e->ecx | AMD_ECX_CMP_LEGACY
					  : e->ecx & ~AMD_ECX_CMP_LEGACY;
		break;
	case LEAF_WIDTHS:
		/* Devices reach no wider addresses, so the guest must not use them. */
		if (s->phys_bits && s->phys_bits < (e->eax & 0xff))
			e->eax = (e->eax & ~0xffU) | s->phys_bits;
		e->ecx = (e->ecx & ~0xf0ffU) | (s->cpu_count - 1) | id_bits(s->cpu_count) << 12;
		break;
	case LEAF_AMD_TOPOLOGY:
		e->eax = s->index;
		e->ebx = s->index;
		e->ecx = 0;
		break;
	default:
		break;
	}
}

/* Frequencies: a guest reads them here and need not measure them. */
static void put_timing(struct kvm_cpuid2 *c, const struct cpuid_shape *s)
{
	struct kvm_cpuid_entry2 *kvm = find_leaf(c, KVM_CPUID_SIGNATURE);

	if (!kvm || !s->tsc_khz)
		return;
	kvm->eax = LEAF_HYPERVISOR_TIMING;
	drop_leaf(c, LEAF_HYPERVISOR_TIMING);
	c->entries[c->nent++] = (struct kvm_cpuid_entry2){
		.function = LEAF_HYPERVISOR_TIMING,
		.eax = s->tsc_khz,
		.ebx = LAPIC_BUS_KHZ,
	};
}

void cpuid_fit(struct kvm_cpuid2 *c, const struct cpuid_shape *s)
{
	const struct kvm_cpuid_entry2 *base = find_leaf(c, 0);
	uint32_t most = base ? base->eax : 0;

	for (uint32_t i = 0; i < c->nent; i++)
		fit_entry(&c->entries[i], s);
	if (most >= LEAF_TOPOLOGY)
		put_topology(c, LEAF_TOPOLOGY, s);
	if (most >= LEAF_TOPOLOGY_V2)
		put_topology(c, LEAF_TOPOLOGY_V2, s);
	put_timing(c, s);
}

/* Return: KVM's table, which the caller frees; NULL with errno. */
static struct kvm_cpuid2 *read_supported(int kvm_fd)
{
	struct kvm_cpuid2 *c = calloc(
		1, sizeof(*c) + (CPUID_ROOM + CPUID_ADDED) * sizeof(struct kvm_cpuid_entry2));

	if (!c)
		return NULL;
	c->nent = CPUID_ROOM;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, c) < 0) {
		free(c);
		return NULL;
	}
	return c;
}

int cpuid_set(struct vm *vm, int cpu_fd, unsigned index, struct err *e)
{
	struct kvm_cpuid2 *c = read_supported(vm->kvm_fd);
	int r = 0;

	if (!c)
		return err_set(e, -errno, "ask KVM which CPUID leaves it supports");
	int khz = ioctl(cpu_fd, KVM_GET_TSC_KHZ, 0);
	struct cpuid_shape shape = {
		.cpu_count = vm->cpu_count,
		.index = index,
		.phys_bits = vm->phys_bits,
		.tsc_khz = khz > 0 ? (uint32_t)khz : 0,
		.tsc_deadline =
			ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0,
	};
	cpuid_fit(c, &shape);
	if (ioctl(cpu_fd, KVM_SET_CPUID2, c) < 0)
		r = err_set(e, -errno, "set the CPUID leaves of processor %u", index);
	free(c);
	return r;
}

unsigned cpuid_phys_bits(int kvm_fd)
{
	struct kvm_cpuid2 *c = read_supported(kvm_fd);
	const struct kvm_cpuid_entry2 *e = c ? find_leaf(c, LEAF_WIDTHS) : NULL;
	unsigned bits = e ? e->eax & 0xff : 0;

	free(c);
	return bits ? bits : 36; /* the least that a 64-bit processor has */
}
