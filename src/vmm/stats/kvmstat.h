/* SPDX-License-Identifier: MIT */
#ifndef VMM_STATS_KVMSTAT_H
#define VMM_STATS_KVMSTAT_H

struct figures;
struct vm;

/*
 * Writes KVM's own figures of the guest's processors, summed up: exits that the kernel handled,
 * halts, injected interrupts. They count from the last reboot. Kernels before 5.14 have none.
 * Ref: KVM API 4.133 KVM_GET_STATS_FD.
 */
void kvmstat_put(const struct vm *vm, struct figures *f);

#endif
