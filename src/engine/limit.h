/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_LIMIT_H
#define ENGINE_LIMIT_H

#include "program/cgroup.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct guest_spec;

#define LIMIT_CPU_MIN 1
#define LIMIT_CPU_MAX 24000 /* [%] SPEC_CPUS_MAX whole processors */

/* What the process of a guest may take of the host, on top of the memory of the guest. */
enum limit_memory { LIMIT_MEMORY_DEFAULT, LIMIT_MEMORY_GIVEN, LIMIT_MEMORY_NONE };

struct limit {
	unsigned cpu; /* [%] of one processor; 0: none */
	enum limit_memory kind;
	uint64_t memory; /* [bytes] all of the process, if it was given */
};

/* "150%", of one processor, as --cpu-limit takes it. Return: 0, -EINVAL. */
int limit_parse_cpu(const char *text, struct limit *ret, struct err *e);

/* "5G" or "none", as --memory-limit takes it. Return: 0, -EINVAL. */
int limit_parse_memory(const char *text, struct limit *ret, struct err *e);

/*
 * How much memory the process of @s may have [bytes]: by default the guest's, a 32nd of it for the
 * page tables of KVM and of the IOMMU, and LIMIT_BESIDE for the rest. UINT64_MAX: any.
 */
uint64_t limit_memory_of(const struct guest_spec *s);

/*
 * Whether the limits that the user gave can hold on this host. @memory: of the guest [bytes].
 * Changes nothing.
 * Return: 0, also if none was given; -EINVAL a limit below the guest's memory; as cgroup_find().
 */
int limit_check(const struct guest_spec *s, uint64_t memory, struct err *e);

/*
 * Makes the cgroup of the guest's process, with its limits. @bounded: the default one holds, but it
 * is left out where the host permits none. Return: 0, as limit_check(), -errno.
 */
int limit_make(const struct guest_spec *s, bool bounded, struct cgroup *ret, struct err *e);

/* Says in @e that the kernel ended the guest of @g because of its limit, if it did. */
void limit_explain(const struct guest_spec *s, const struct cgroup *g, struct err *e);

#endif
