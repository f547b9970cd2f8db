/* SPDX-License-Identifier: MIT */
#ifndef VMM_STATS_KVMSTAT_H
#define VMM_STATS_KVMSTAT_H

struct figures;
struct vm;

/*
 * KVM's own figures of the guest's processors, added up: exits that never left the kernel, halts,
 * injected interrupts. They begin anew at a reboot. Nothing on kernels before 5.14.
 * Ref: KVM API 4.133 KVM_GET_STATS_FD.
 */
void kvmstat_put(const struct vm *vm, struct figures *f);

#endif
