/* SPDX-License-Identifier: MIT */
#include "vmm/cpuid.h"

#include "base/bits.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

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
#define LEAF_EXTENDED 0x80000000
#define LEAF_AMD_FEATURES 0x80000001
#define LEAF_NAME 0x80000002 /* and the next two: 16 characters each */
#define LEAF_WIDTHS 0x80000008
#define LEAF_AMD_CACHE 0x8000001d
#define LEAF_AMD_TOPOLOGY 0x8000001e

#define ECX_VMX BIT32(5)
#define ECX_TSC_DEADLINE BIT32(24)
#define ECX_HYPERVISOR BIT32(31)
#define EDX_HTT BIT32(28)
#define AMD_ECX_CMP_LEGACY BIT32(1)
#define AMD_ECX_SVM BIT32(2)

#define CORES_MAX 63 /* of the field of six bits, which counts from 0 */

#define LAPIC_BUS_KHZ 1000000 /* KVM's LAPIC timer counts nanoseconds */

/* How many bits of an APIC id number the processors of the socket. */
static unsigned id_bits(unsigned count)
{
	unsigned bits = 0;

	while ((1U << bits) < count)
		bits++;
	return bits;
}

static const struct kvm_cpuid_entry2 *find_leaf(const struct kvm_cpuid2 *c, uint32_t leaf)
{
	for (uint32_t i = 0; i < c->nent; i++)
		if (c->entries[i].function == leaf)
			return &c->entries[i];
	return NULL;
}

/* The same, to change it. */
static struct kvm_cpuid_entry2 *edit_leaf(struct kvm_cpuid2 *c, uint32_t leaf)
{
	const struct kvm_cpuid_entry2 *e = find_leaf(c, leaf);

	return e ? &c->entries[e - c->entries] : NULL;
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
	/*
	 * Intel's leaf also counts the cores; AMD reserves these bits. More cores than the field
	 * has room for are in leaf 0xb alone.
	 */
	if (e->function == LEAF_CACHE)
		e->eax |= (uint32_t)min_u64((1U << id_bits(s->cpu_count)) - 1, CORES_MAX) << 26;
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
	struct kvm_cpuid_entry2 *kvm = edit_leaf(c, KVM_CPUID_SIGNATURE);

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

void cpuid_put_name(struct kvm_cpuid2 *c, const struct cpuid_name *name)
{
	struct kvm_cpuid_entry2 *last = edit_leaf(c, LEAF_EXTENDED);

	if (!name->words[0] || !last)
		return;
	last->eax = (uint32_t)max_u64(last->eax, LEAF_NAME + 2);
	for (uint32_t i = 0; i < 3; i++) {
		const uint32_t *w = &name->words[4UL * i];
		drop_leaf(c, LEAF_NAME + i);
		c->entries[c->nent++] = (struct kvm_cpuid_entry2){
			.function = LEAF_NAME + i,
			.eax = w[0],
			.ebx = w[1],
			.ecx = w[2],
			.edx = w[3],
		};
	}
}

static void execute_cpuid(uint32_t leaf, uint32_t ret[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(ret[0]), "=b"(ret[1]), "=c"(ret[2]), "=d"(ret[3])
			 : "0"(leaf), "2"(0));
}

/* KVM_GET_SUPPORTED_CPUID leaves the name out, so the host's processor has to say it. */
static struct cpuid_name host_name(void)
{
	struct cpuid_name n = {0};
	uint32_t most[4];

	execute_cpuid(LEAF_EXTENDED, most);
	for (uint32_t i = 0; i < 3 && most[0] >= LEAF_NAME + 2; i++)
		execute_cpuid(LEAF_NAME + i, &n.words[4UL * i]);
	return n;
}

static size_t table_size(uint32_t entries)
{
	return sizeof(struct kvm_cpuid2) +
	       (entries + CPUID_ADDED) * sizeof(struct kvm_cpuid_entry2);
}

WALL_CALL(main, ioctl, KVM_GET_SUPPORTED_CPUID);

int cpuid_read(struct vm *vm, struct err *e)
{
	struct kvm_cpuid2 *c = calloc(1, table_size(CPUID_ROOM));

	if (!c)
		return err_set(e, -ENOMEM, "ask KVM which CPUID leaves it supports");
	c->nent = CPUID_ROOM;
	if (ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, c) < 0) {
		int r = -errno;
		free(c);
		return err_set(e, r, "ask KVM which CPUID leaves it supports");
	}
	const struct cpuid_name name = host_name();
	cpuid_put_name(c, &name);
	vm->cpuid = c;
	return 0;
}

WALL_CALL(main, ioctl, KVM_GET_TSC_KHZ, KVM_CHECK_EXTENSION, KVM_SET_CPUID2);

int cpuid_set(struct vm *vm, int cpu_fd, unsigned index, struct err *e)
{
	cleanup_free struct kvm_cpuid2 *c = calloc(1, table_size(vm->cpuid->nent));

	if (!c)
		return err_set(e, -ENOMEM, "set the CPUID leaves of processor %u", index);
	memcpy(c, vm->cpuid, sizeof(*c) + vm->cpuid->nent * sizeof(struct kvm_cpuid_entry2));
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
		return err_set(e, -errno, "set the CPUID leaves of processor %u", index);
	return 0; /* NOLINT(clang-analyzer-unix.Malloc): cleanup_free */
}

unsigned cpuid_phys_bits(const struct kvm_cpuid2 *c)
{
	const struct kvm_cpuid_entry2 *e = find_leaf(c, LEAF_WIDTHS);
	unsigned bits = e ? e->eax & 0xff : 0;

	return bits ? bits : 36; /* the least that a 64-bit processor has */
}

bool cpuid_is_amd(const struct kvm_cpuid2 *c)
{
	const struct kvm_cpuid_entry2 *e = find_leaf(c, 0);
	char vendor[12];

	if (!e)
		return false;
	memcpy(vendor, &e->ebx, 4);
	memcpy(vendor + 4, &e->edx, 4);
	memcpy(vendor + 8, &e->ecx, 4);
	return memcmp(vendor, "AuthenticAMD", sizeof(vendor)) == 0 ||
	       memcmp(vendor, "HygonGenuine", sizeof(vendor)) == 0;
}
