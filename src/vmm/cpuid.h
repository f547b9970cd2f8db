/* SPDX-License-Identifier: MIT */
#ifndef VMM_CPUID_H
#define VMM_CPUID_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct kvm_cpuid2;
struct vm;

/* CPUID of a guest's processor: what KVM supports, with this machine's topology. */
struct cpuid_shape {
	unsigned cpu_count;
	unsigned index; /* APIC id */
	uint32_t tsc_khz; /* 0: unknown */
	unsigned phys_bits; /* limits the width of addresses; 0: no limit but KVM's */
	uint32_t tsc_deadline; /* non-zero: the LAPIC timer can follow the TSC */
};

/*
 * Fits the table that KVM_GET_SUPPORTED_CPUID returned to one processor: one socket, one thread a
 * core, no nested virtualisation. @c has room for CPUID_ADDED more entries.
 */
#define CPUID_ADDED 10
void cpuid_fit(struct kvm_cpuid2 *c, const struct cpuid_shape *shape);

/* The processor's name: leaves 0x80000002 to 0x80000004, EAX, EBX, ECX and EDX of each. */
struct cpuid_name {
	uint32_t words[12];
};

/* Puts the three leaves into the table. An empty name, or no extended leaves: nothing to do. */
void cpuid_put_name(struct kvm_cpuid2 *c, const struct cpuid_name *name);

/*
 * Asks KVM once for all processors: executing CPUID takes long where this host is itself a guest.
 * Sets vm->cpuid, with the name of the host's processor. Return: 0, -errno.
 */
int cpuid_read(struct vm *vm, struct err *e);

/* Sets CPUID of the processor @index of @vm. @cpu_fd: its vCPU. Return: 0, -errno. */
int cpuid_set(struct vm *vm, int cpu_fd, unsigned index, struct err *e);

/* Width of guest-physical addresses that KVM offers. [bits] */
unsigned cpuid_phys_bits(const struct kvm_cpuid2 *c);

/* Whether the processor is AMD's or Hygon's. */
bool cpuid_is_amd(const struct kvm_cpuid2 *c);

#endif
