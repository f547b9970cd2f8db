/* SPDX-License-Identifier: MIT */
#include "vmm/vm.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

static const struct {
	int cap;
	const char *name;
} needed[] = {
	{KVM_CAP_USER_MEMORY, "USER_MEMORY"},
	{KVM_CAP_SET_TSS_ADDR, "SET_TSS_ADDR"},
	{KVM_CAP_EXT_CPUID, "EXT_CPUID"},
	{KVM_CAP_IRQCHIP, "IRQCHIP"},
	{KVM_CAP_IRQ_ROUTING, "IRQ_ROUTING"},
	{KVM_CAP_IRQFD, "IRQFD"},
	{KVM_CAP_SIGNAL_MSI, "SIGNAL_MSI"},
	{KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT"},
};

WALL_CALL(main, ioctl, KVM_GET_API_VERSION, KVM_CHECK_EXTENSION);

static int check_kvm(int kvm_fd, struct err *e)
{
	int version = ioctl(kvm_fd, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return err_set(e, -errno, "ask KVM for its version");
	if (version != KVM_API_VERSION)
		return err_say(e, -ENOTSUP, "use KVM: its API has version %d instead of %d",
			version, KVM_API_VERSION);
	for (size_t i = 0; i < COUNT(needed); i++)
		if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			return err_say(
				e, -ENOTSUP, "use KVM: it lacks the capability %s", needed[i].name);
	return 0;
}

WALL_CALL(main, ioctl, KVM_CREATE_VM);
WALL_CALL(main, fcntl, F_GETFD, F_SETFD);

static int create_vm(struct vm *vm, struct err *e)
{
	/* EINTR: creation is interruptible, and a signal (terminal resize) may come. */
	do
		vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0)
		return err_set(e, -errno, "create a virtual machine");
	(void)fd_set_cloexec(vm->fd, 1);
	return 0;
}

int vm_init(struct vm *vm, const char *name, int kvm_fd, struct err *e)
{
	struct timing timing = vm->timing;

	*vm = (struct vm){
		.name = name,
		.kvm_fd = kvm_fd,
		.fd = -1,
		.interrupts_fd = -1,
		.cure = LOCK_INIT(LOCK_CURE),
		.coalesce = {.lock = LOCK_INIT(LOCK_COALESCE)},
		.pausing = PTHREAD_MUTEX_INITIALIZER,
		.resumed = PTHREAD_COND_INITIALIZER,
		.ending = PTHREAD_MUTEX_INITIALIZER,
		.memory = MEMORY_NONE,
		.ports = BUS_INIT("ports"),
		.mmio = BUS_INIT("mmio"),
		.space = PCI_SPACE_NONE,
		.loop = LOOP_NONE,
		.disks = VIRTIO_DISKS_NONE,
		.nets = VIRTIO_NETS_NONE,
		.balloons = VIRTIO_BALLOONS_NONE,
		.timing = timing,
	};
	vm->ports.vm_fd = vm->mmio.vm_fd = &vm->fd;
	vm->ports.ports = true;
	vm->mmio.late = pci_space_late;
	int r = check_kvm(kvm_fd, e);
	if (r < 0)
		return r;
	r = create_vm(vm, e);
	if (r < 0)
		return r;
	int slots = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
	vm->memory.limit = slots > 0 ? (size_t)slots : 0;
	memslots_init(&vm->slots, vm->fd);
	r = memory_listen(&vm->memory, &vm->slots.listener, e);
	return r < 0 ? r : loop_init(&vm->loop, e);
}

int vm_renew(struct vm *vm, struct err *e)
{
	fd_close(&vm->fd);
	int r = create_vm(vm, e);
	if (r < 0)
		return r;
	r = memslots_renew(&vm->slots, &vm->memory, vm->fd, e);
	if (r < 0)
		return r;
	bus_renew(&vm->ports);
	bus_renew(&vm->mmio);
	loop_restart(&vm->loop);
	vm->triple_fault = vm->commanded = false;
	__atomic_store_n(&vm->paused, false, __ATOMIC_RELEASE);
	__atomic_store_n(&vm->end, VM_RUNNING, __ATOMIC_RELEASE);
	return 0;
}

void vm_fini(struct vm *vm)
{
	memory_fini(&vm->memory);
	irq_fini(&vm->irq);
	loop_fini(&vm->loop);
	free(vm->cpuid);
	vm->cpuid = NULL;
	fd_close(&vm->fd);
	fd_close(&vm->kvm_fd);
}

/* Whether @end replaces @was. Under `ending`. */
static bool end_replaces(enum vm_end was, enum vm_end end)
{
	return was == VM_RUNNING || (was == VM_REBOOT && end == VM_STOPPED);
}

__attribute__((format(printf, 4, 0))) static void end_set(
	struct vm *vm, enum vm_end end, int number, const char *fmt, va_list ap)
{
	(void)pthread_mutex_lock(&vm->ending);
	bool counts = end_replaces(vm->end, end);
	if (counts) {
		(void)vsnprintf(vm->why, sizeof(vm->why), fmt, ap);
		vm->interrupted = number;
		__atomic_store_n(&vm->end, end, __ATOMIC_RELEASE);
	}
	(void)pthread_mutex_unlock(&vm->ending);
	if (counts)
		loop_stop(&vm->loop);
}

void vm_stop(struct vm *vm, enum vm_end end, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	end_set(vm, end, 0, fmt, ap);
	va_end(ap);
}

void vm_interrupt(struct vm *vm, int number, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	end_set(vm, VM_STOPPED, number, fmt, ap);
	va_end(ap);
}

bool vm_cure(struct vm *vm, uint64_t seen)
{
	lock_take(&vm->cure);
	bool cured = vm_cures(vm) != seen;
	if (!cured && vm->fault && vm->fault(vm)) {
		vm_cured(vm);
		cured = true;
	}
	vm->faults += cured;
	lock_drop(&vm->cure);
	return cured;
}
