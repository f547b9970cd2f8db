/* SPDX-License-Identifier: MIT */
/*
 * vm_loader KERNEL INITRD CMDLINE MIB [GROUP ADDRESS]: the least that starts a Linux guest, to
 * measure a VMM against. Memory, a processor, KVM's own interrupt controllers and timer, a port to
 * write to; no PCI, no ACPI. With a VFIO group and a device of it, all of the guest's memory is
 * mapped for DMA and the device is opened (and so reset), as passthrough cannot do without.
 * Ends when the guest has said 'guest: ready'.
 */
#include "base/num.h"
#include "fatal.h"
#include "host/host.h"
#include "vfio/device.h"
#include "vfio/type1.h"
#include "vmm/boot.h"
#include "vmm/cpuid.h"
#include "vmm/memory.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define COM1 0x3f8
#define COM1_IRQ 4
#define IER_THRI 2
#define LSR_EMPTY 0x60
#define CPUID_MAX 256

static struct memory memory = MEMORY_NONE;
static int kvm, vm, vcpu;
static struct kvm_run *run;
static struct boot_kernel kernel;
static char line[256];
static size_t len;

/* One UART register file: what Linux's console needs to write, and an interrupt when it can. */
static uint8_t ier;
static int empty;

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	perror(what);
	exit(1);
}

static void make_vm(void)
{
	struct kvm_pit_config pit = {0};

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	check(kvm, "/dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	check(vm, "KVM_CREATE_VM");
	check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
	check(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	check(ioctl(vm, KVM_CREATE_PIT2, &pit), "KVM_CREATE_PIT2");
}

static void make_memory(uint64_t size)
{
	struct err e = {0};

	check_err(memory_init(&memory, size, MEMORY_PRIVATE, &e), &e);
	struct memory_range all = {.gpa = GPA(0), .size = size, .host = memory.ram};
	check_err(memory_add(&memory, &all, &e), &e);
	struct kvm_userspace_memory_region slot = {
		.memory_size = size, .userspace_addr = (uint64_t)(uintptr_t)memory.ram};
	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
}

static void load(char **argv, uint64_t size)
{
	const struct boot_file image = {.fd = open(argv[1], O_RDONLY), .name = argv[1]};
	const struct boot_file initrd = {.fd = open(argv[2], O_RDONLY), .name = argv[2]};
	struct boot_info info = {.cmdline = argv[3]};
	struct err e = {0};

	check_err(boot_load_kernel(&memory, &image, &kernel, &e), &e);
	check_err(boot_load_initrd(&memory, &initrd, kernel.end, size, &info.initrd, &e), &e);
	boot_add_map(&info, 0, 0xa0000, BOOT_RAM);
	boot_add_map(&info, BOOT_KERNEL_MIN, size - BOOT_KERNEL_MIN, BOOT_RAM);
	check_err(boot_write_info(&memory, &info, &e), &e);
}

static void lend(char **argv)
{
	static struct vfio_ioas ioas = VFIO_IOAS_NONE;
	static struct vfio_dev device = VFIO_DEV_NONE;
	const struct vfio_member m = {.host = host_live(), .name = argv[6], .group = atoi(argv[5])};
	struct err e = {0};

	check_err(vfio_ioas_open(&vfio_type1, &ioas, &e), &e);
	check_err(vfio_ioas_bind(&ioas, &m, &e), &e);
	check_err(vfio_ioas_map(&ioas, IOVA(0), memory.ram, memory.ram_size,
			  VFIO_DMA_READ | VFIO_DMA_WRITE, &e),
		&e);
	check_err(vfio_ioas_attach(&ioas, &m, &device, &e), &e);
}

static void make_cpu(void)
{
	union {
		struct kvm_cpuid2 table; /* its entries follow */
		char room[sizeof(struct kvm_cpuid2) + CPUID_MAX * sizeof(struct kvm_cpuid_entry2)];
	} cpuid = {.table.nent = CPUID_MAX};
	struct kvm_segment code = {.limit = 0xffffffff,
		.selector = 8,
		.type = 11,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1};
	struct kvm_segment data = code;
	struct kvm_sregs sregs;

	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	check(vcpu, "KVM_CREATE_VCPU");
	check(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
	cpuid_fit(&cpuid.table, &(struct cpuid_shape){.cpu_count = 1});
	check(ioctl(vcpu, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
	size_t size = (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	check(run == MAP_FAILED ? -1 : 0, "mmap");
	check(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	data.selector = 16;
	data.type = 3;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 = 0x11;
	check(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	struct kvm_regs regs = {.rip = kernel.entry, .rbx = BOOT_START_INFO, .rflags = 2};
	check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void interrupt(unsigned level)
{
	struct kvm_irq_level irq = {.irq = COM1_IRQ, .level = level};

	check(ioctl(vm, KVM_IRQ_LINE, &irq), "KVM_IRQ_LINE");
}

static void put(char c)
{
	if (c != '\n' && len < sizeof(line) - 1) {
		line[len++] = c;
		return;
	}
	line[len] = 0;
	(void)puts(line);
	if (strstr(line, "guest: ready"))
		exit(0);
	len = 0;
}

static void uart_write(unsigned reg, uint8_t value)
{
	if (reg == 0)
		put((char)value);
	else if (reg == 1)
		ier = value;
	else
		return;
	empty = ier & IER_THRI;
	interrupt(empty ? 1 : 0);
}

static uint8_t uart_read(unsigned reg)
{
	if (reg == 1)
		return ier;
	if (reg == 5)
		return LSR_EMPTY;
	if (reg != 2)
		return reg == 6 ? 0xb0 : 0;
	uint8_t iir = empty ? 2 : 1;
	empty = 0;
	interrupt(0);
	return iir;
}

static void on_port(void)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned reg = run->io.port - COM1;
	int uart = run->io.port >= COM1 && reg < 8;

	for (unsigned i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_IN)
			memset(data, 0xff, run->io.size);
		if (!uart || run->io.size != 1)
			continue;
		if (run->io.direction == KVM_EXIT_IO_IN)
			*data = uart_read(reg);
		else
			uart_write(reg, *data);
	}
}

int main(int argc, char **argv)
{
	if (argc != 5 && argc != 7) {
		(void)fprintf(
			stderr, "usage: vm_loader KERNEL INITRD CMDLINE MIB [GROUP ADDRESS]\n");
		return 2;
	}
	uint64_t size = MIB(strtoull(argv[4], NULL, 10));

	make_vm();
	make_memory(size);
	load(argv, size);
	if (argc == 7)
		lend(argv);
	make_cpu();
	for (;;) {
		check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
		if (run->exit_reason == KVM_EXIT_IO) {
			on_port();
		} else if (run->exit_reason == KVM_EXIT_MMIO) {
			if (!run->mmio.is_write)
				memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		} else {
			(void)fprintf(stderr, "vm_loader: exit %u\n", run->exit_reason);
			return 1;
		}
	}
}
