/* SPDX-License-Identifier: MIT */
#ifndef VMM_CPU_H
#define VMM_CPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct kvm_run;
struct vm;

/*
 * Processors: one thread each. The first starts where boot says, the others wait in KVM for the
 * INIT and SIPI that the guest sends them.
 */
#define CPUS_MAX 240 /* 8-bit APIC ids, 255 is the broadcast */
#define CPU_EXITS 64 /* counted KVM_EXIT_* reasons */

struct cpu {
	struct vm *vm;
	unsigned index; /* APIC id as well */
	int fd;
	struct kvm_run *run;
	size_t run_size;
	pthread_t thread;
	bool started;
	uint64_t exits[CPU_EXITS]; /* atomic: its own thread counts */
};

/* Creates @count processors. Return: 0, -EINVAL when KVM has fewer, -errno. */
int cpus_init(struct vm *vm, unsigned count, struct err *e);

/* Lets the first begin at @entry as PVH wants it, with @start_info in EBX. */
int cpus_enter(struct vm *vm, uint32_t entry, uint32_t start_info, struct err *e);

/* Starts the threads. Context: main thread. */
int cpus_start(struct vm *vm, struct err *e);

/*
 * Makes all leave the guest until cpus_resume(); one that waits for a device leaves when that has
 * answered. Devices go on. A paused guest can end. Context: main thread.
 */
void cpus_pause(struct vm *vm);
void cpus_resume(struct vm *vm);

/* Makes all leave the guest for good and waits. The VM has ended (vm_stop). */
void cpus_stop(struct vm *vm);
void cpus_fini(struct vm *vm);

/* Exits to user space for a KVM_EXIT_* reason, of all processors since the start. */
uint64_t cpus_exits(const struct vm *vm, unsigned reason);

/* Name of a KVM_EXIT_* reason. */
const char *cpu_exit_name(unsigned reason);

#endif
