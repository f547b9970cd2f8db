/* SPDX-License-Identifier: MIT */
#include "vmm/cpu.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/cpuid.h"
#include "vmm/thread.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/*
 * How it works
 *
 * Each processor is a thread around KVM_RUN. An exit is served in that thread, on the bus that the
 * access belongs to; nothing that it calls may block (vmm/lock.h). Port writes that KVM has
 * collected are served first, so that the guest's order holds.
 *
 * vm_stop() only sets the end; cpus_stop() brings the threads back: it sets immediate_exit, so the
 * next KVM_RUN returns at once, and then interrupts a KVM_RUN that is going on.
 *
 * cpus_pause() does the same with `paused` in place of the end: a thread that finds it set waits.
 *
 * A mapped page of a device can vanish while the guest uses it: KVM_RUN fails with EFAULT, and
 * vm_cure() decides whether the processor can try again.
 */

#define CR0_PE 0x1U
#define CR0_ET 0x10U
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLE_WB (BIT64(11) | 6)
#define MSR_MISC_ENABLE 0x1a0
#define MISC_ENABLE_FAST_STRING 1

static const char *const exit_names[CPU_EXITS] = {
	[KVM_EXIT_UNKNOWN] = "unknown",
	[KVM_EXIT_IO] = "io",
	[KVM_EXIT_HLT] = "hlt",
	[KVM_EXIT_MMIO] = "mmio",
	[KVM_EXIT_IRQ_WINDOW_OPEN] = "irq_window",
	[KVM_EXIT_SHUTDOWN] = "shutdown",
	[KVM_EXIT_FAIL_ENTRY] = "fail_entry",
	[KVM_EXIT_INTR] = "interrupted",
	[KVM_EXIT_INTERNAL_ERROR] = "internal_error",
	[KVM_EXIT_SYSTEM_EVENT] = "system_event",
};

const char *cpu_exit_name(unsigned reason)
{
	return reason < CPU_EXITS && exit_names[reason] ? exit_names[reason] : "other";
}

uint64_t cpus_exits(const struct vm *vm, unsigned reason)
{
	uint64_t count = vm->exits[reason];

	for (unsigned i = 0; i < vm->cpu_count && vm->cpus; i++)
		count += __atomic_load_n(&vm->cpus[i].exits[reason], __ATOMIC_RELAXED);
	return count;
}

WALL_CALL(main, ioctl, KVM_SET_MSRS);

/*
 * The default memory type is write-back. With a device that does not snoop caches, KVM applies the
 * guest's MTRRs, and their reset value means uncached.
 */
static int set_msrs(struct cpu *c)
{
	static const struct kvm_msr_entry entries[] = {
		{.index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLE_WB},
		{.index = MSR_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRING},
	};
	union {
		struct kvm_msrs msrs; /* its entries follow */
		char room[sizeof(struct kvm_msrs) + sizeof(entries)];
	} u = {.msrs.nmsrs = COUNT(entries)};

	memcpy(u.msrs.entries, entries, sizeof(entries));
	int n = ioctl(c->fd, KVM_SET_MSRS, &u);
	return n < 0 ? -errno : n < 1 ? -EIO : 0;
}

WALL_CALL(main, ioctl, KVM_CREATE_VCPU);
WALL_CALL(main, mmap);
WALL_CALL(main, fcntl, F_GETFD, F_SETFD);

static int cpu_init(struct cpu *c, struct vm *vm, unsigned index, size_t run_size, struct err *e)
{
	*c = (struct cpu){.vm = vm, .index = index, .fd = -1, .run_size = run_size};
	c->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (c->fd < 0)
		return err_set(e, -errno, "create processor %u", index);
	(void)fd_set_cloexec(c->fd, 1);
	void *run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (run == MAP_FAILED)
		return err_set(e, -errno, "map the state of processor %u", index);
	c->run = run;
	int r = cpuid_set(vm, c->fd, index, e);
	if (r < 0)
		return r;
	r = set_msrs(c);
	return r < 0 ? err_set(e, r, "set the registers of processor %u", index) : 0;
}

WALL_CALL(main, ioctl, KVM_CHECK_EXTENSION, KVM_GET_VCPU_MMAP_SIZE);

int cpus_init(struct vm *vm, unsigned count, struct err *e)
{
	int most = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	int run_size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (most > 0 && count > (unsigned)most)
		return err_say(e, -EINVAL, "create %u processors: KVM has at most %d", count, most);
	if (run_size < (int)sizeof(struct kvm_run))
		return err_say(e, -EIO, "create processors: KVM reports no size of their state");
	vm->cpus = calloc(count, sizeof(*vm->cpus));
	if (!vm->cpus)
		return err_set(e, -ENOMEM, "create %u processors", count);
	vm->cpu_count = count;
	for (unsigned i = 0; i < count; i++)
		vm->cpus[i].fd = -1;
	for (unsigned i = 0; i < count; i++) {
		int r = cpu_init(&vm->cpus[i], vm, i, (size_t)run_size, e);
		if (r < 0)
			return r;
	}
	coalesce_init(vm, vm->cpus[0].run);
	return 0;
}

WALL_CALL(main, munmap);
WALL_CALL(main, close);

void cpus_fini(struct vm *vm)
{
	for (unsigned i = 0; vm->cpus && i < vm->cpu_count; i++) {
		if (vm->cpus[i].run)
			(void)munmap(vm->cpus[i].run, vm->cpus[i].run_size);
		fd_close(&vm->cpus[i].fd);
		for (unsigned reason = 0; reason < CPU_EXITS; reason++)
			vm->exits[reason] += vm->cpus[i].exits[reason];
	}
	vm->coalesce.ring = NULL;
	free(vm->cpus);
	vm->cpus = NULL;
	vm->cpu_count = 0;
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
}

WALL_CALL(main, ioctl, KVM_GET_SREGS, KVM_SET_SREGS, KVM_SET_REGS);

/* Ref: Xen, docs/misc/pvh: 32-bit protected mode, paging off, flat segments, TSS, EBX */
int cpus_enter(struct vm *vm, uint32_t entry, uint32_t start_info, struct err *e)
{
	struct cpu *c = &vm->cpus[0];
	struct kvm_sregs s;

	if (ioctl(c->fd, KVM_GET_SREGS, &s) < 0)
		return err_set(e, -errno, "read the registers of processor 0");
	s.cs = flat_segment(0x08, 0xb);
	s.ds = s.es = s.fs = s.gs = s.ss = flat_segment(0x10, 0x3);
	s.tr = (struct kvm_segment){.limit = 0x67, .selector = 0x18, .type = 0xb, .present = 1};
	s.cr0 = CR0_PE | CR0_ET;
	s.cr4 = 0;
	s.efer = 0;
	struct kvm_regs r = {.rip = entry, .rbx = start_info, .rflags = 2};
	if (ioctl(c->fd, KVM_SET_SREGS, &s) < 0 || ioctl(c->fd, KVM_SET_REGS, &r) < 0)
		return err_set(e, -errno, "set the registers of processor 0");
	return 0;
}

WALL_CALL(vcpu, ioctl, KVM_GET_REGS);

static uint64_t rip_of(const struct cpu *c)
{
	struct kvm_regs r;

	return ioctl(c->fd, KVM_GET_REGS, &r) < 0 ? 0 : r.rip;
}

static void serve_port(struct cpu *c)
{
	struct bus *ports = &c->vm->ports;
	struct kvm_run *run = c->run;
	char *data = (char *)run + run->io.data_offset;

	/* String instructions: `count` accesses to the same port. */
	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			bus_write(ports, run->io.port, run->io.size, le_get(data, run->io.size));
		else
			le_put(data, run->io.size, bus_read(ports, run->io.port, run->io.size));
	}
}

static void serve_mmio(struct cpu *c)
{
	struct kvm_run *run = c->run;
	uint32_t len = run->mmio.len;

	if (len > sizeof(run->mmio.data))
		return;
	if (run->mmio.is_write)
		bus_write(&c->vm->mmio, run->mmio.phys_addr, len, le_get(run->mmio.data, len));
	else
		le_put(run->mmio.data, len, bus_read(&c->vm->mmio, run->mmio.phys_addr, len));
}

static void serve_exit(struct cpu *c)
{
	struct kvm_run *run = c->run;
	struct vm *vm = c->vm;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
	case KVM_EXIT_MMIO:
		(void)coalesce_drain(vm);
		if (run->exit_reason == KVM_EXIT_IO)
			serve_port(c);
		else
			serve_mmio(c);
		break;
	case KVM_EXIT_SHUTDOWN:
		/* A PC's board answers by a reset; Linux reboots by it where nothing else works. */
		__atomic_store_n(&vm->triple_fault, true, __ATOMIC_RELAXED);
		vm_stop(vm, VM_REBOOT, "reset by a triple fault of processor %u at rip 0x%" PRIx64,
			c->index, rip_of(c));
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		vm_stop(vm, VM_CRASHED, "processor %u: internal error %u of KVM at rip 0x%" PRIx64,
			c->index, run->internal.suberror, rip_of(c));
		break;
	case KVM_EXIT_FAIL_ENTRY:
		vm_stop(vm, VM_CRASHED,
			"processor %u: the hardware refuses to enter the guest at rip 0x%" PRIx64
			": reason 0x%" PRIx64,
			c->index, rip_of(c),
			(uint64_t)run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		break;
	default:
		vm_stop(vm, VM_CRASHED, "processor %u: unexpected exit %u at rip 0x%" PRIx64,
			c->index, run->exit_reason, rip_of(c));
		break;
	}
}

/* Others read it meanwhile. */
static void exit_count(struct cpu *c, unsigned reason)
{
	__atomic_store_n(&c->exits[reason], c->exits[reason] + 1, __ATOMIC_RELAXED);
}

static bool is_paused(const struct vm *vm)
{
	return __atomic_load_n(&vm->paused, __ATOMIC_ACQUIRE);
}

WALL_CALL(vcpu, ioctl, KVM_KVMCLOCK_CTRL);

/*
 * Waits until the guest is resumed or has ended. Its clock has jumped then: KVM tells a guest with
 * its clock, so that the guest does not take the pause for a processor that hung.
 */
static void pause_wait(struct cpu *c)
{
	struct vm *vm = c->vm;

	(void)pthread_mutex_lock(&vm->pausing);
	while (is_paused(vm) && vm_ended(vm) == VM_RUNNING)
		(void)pthread_cond_wait(&vm->resumed, &vm->pausing);
	(void)pthread_mutex_unlock(&vm->pausing);
	(void)ioctl(c->fd, KVM_KVMCLOCK_CTRL, 0);
}

WALL_CALL(vcpu, ioctl, KVM_RUN);

static void *cpu_thread(void *arg)
{
	struct cpu *c = arg;

	thread_is_vcpu = true;
	while (vm_ended(c->vm) == VM_RUNNING) {
		if (is_paused(c->vm)) {
			pause_wait(c);
			continue;
		}
		uint64_t cures = vm_cures(c->vm);
		if (ioctl(c->fd, KVM_RUN, 0) < 0) {
			int error = errno;
			/* EAGAIN: a waiting processor got its INIT. */
			if (error == EINTR || error == EAGAIN ||
				(error == EFAULT && vm_cure(c->vm, cures)))
				continue;
			vm_stop(c->vm, VM_CRASHED, "processor %u: run at rip 0x%" PRIx64 ": %s",
				c->index, rip_of(c), strerror(error));
			break;
		}
		exit_count(c, c->run->exit_reason % CPU_EXITS);
		serve_exit(c);
	}
	return NULL;
}

int cpus_start(struct vm *vm, struct err *e)
{
	for (unsigned i = 0; i < vm->cpu_count; i++) {
		struct cpu *c = &vm->cpus[i];
		char name[THREAD_NAME];

		(void)snprintf(name, sizeof(name), "vcpu %u", i);
		int r = thread_start(&c->thread, THREAD_VCPU, name, cpu_thread, c);
		if (r < 0)
			return err_set(e, r, "start processor %u", i);
		c->started = true;
	}
	return 0;
}

static void leave_guest(struct vm *vm)
{
	for (unsigned i = 0; i < vm->cpu_count; i++) {
		struct cpu *c = &vm->cpus[i];
		if (!c->started)
			continue;
		/* Set first: a thread that is just about to enter comes straight back. */
		__atomic_store_n(&c->run->immediate_exit, 1, __ATOMIC_RELEASE);
		thread_interrupt(c->thread);
	}
}

void cpus_pause(struct vm *vm)
{
	__atomic_store_n(&vm->paused, true, __ATOMIC_RELEASE);
	leave_guest(vm);
}

void cpus_resume(struct vm *vm)
{
	for (unsigned i = 0; i < vm->cpu_count; i++)
		if (vm->cpus[i].started)
			__atomic_store_n(&vm->cpus[i].run->immediate_exit, 0, __ATOMIC_RELEASE);
	(void)pthread_mutex_lock(&vm->pausing);
	__atomic_store_n(&vm->paused, false, __ATOMIC_RELEASE);
	(void)pthread_cond_broadcast(&vm->resumed);
	(void)pthread_mutex_unlock(&vm->pausing);
}

void cpus_stop(struct vm *vm)
{
	leave_guest(vm);
	(void)pthread_mutex_lock(&vm->pausing);
	(void)pthread_cond_broadcast(&vm->resumed);
	(void)pthread_mutex_unlock(&vm->pausing);
	for (unsigned i = 0; i < vm->cpu_count; i++) {
		if (!vm->cpus[i].started)
			continue;
		(void)pthread_join(vm->cpus[i].thread, NULL);
		vm->cpus[i].started = false;
	}
}
