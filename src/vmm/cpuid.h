/* SPDX-License-Identifier: MIT */
#ifndef VMM_CPUID_H
#define VMM_CPUID_H

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
#define CPUID_ADDED 8
void cpuid_fit(struct kvm_cpuid2 *c, const struct cpuid_shape *shape);

/* Sets CPUID of the processor @index of @vm. @cpu_fd: its vCPU. Return: 0, -errno. */
int cpuid_set(struct vm *vm, int cpu_fd, unsigned index, struct err *e);

/* Width of guest-physical addresses that KVM offers. [bits] */
unsigned cpuid_phys_bits(int kvm_fd);

#endif
