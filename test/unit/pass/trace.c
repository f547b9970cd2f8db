/* SPDX-License-Identifier: MIT */
/* Statistics and traces of a device: counts of interrupts, names of registers. */
#include "vmm/pass/trace.h"

#include "base/err.h"
#include "base/fd.h"
#include "pass/pass_rig.h"
#include "suite.h"
#include "vmm/pass/count.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char interrupts[] =
	"           CPU0       CPU1       \n"
	"  1:          9          0  IR-IO-APIC    1-edge      i8042\n"
	" 16:        100        200  IR-IO-APIC   16-fasteoi   ehci_hcd, vfio-intx(0000:01:00.0)\n"
	" 28:          7         35  IR-PCI-MSI 524288-edge      vfio-msix[0](0000:01:00.0)\n"
	" 29:          1          0  IR-PCI-MSI 524289-edge      vfio-msix[0](0000:01:00.1)\n"
	" 30:          0     123456  IR-PCI-MSI 524290-edge      vfio-msix[10](0000:01:00.0)\n";

START_TEST(counts_by_vector)
{
	uint64_t n = 0;

	const char *at = interrupts;
	unsigned vector;

	ck_assert_int_eq(pass_count_next(&at, "msix", "0000:01:00.0", &vector, &n), 0);
	ck_assert(vector == 0 && n == 42);
	/* Another function's line is between them. */
	ck_assert_int_eq(pass_count_next(&at, "msix", "0000:01:00.0", &vector, &n), 0);
	ck_assert(vector == 10 && n == 123456);
	ck_assert_int_eq(pass_count_next(&at, "msix", "0000:01:00.0", &vector, &n), -ENOENT);
	at = interrupts;
	ck_assert_int_eq(pass_count_next(&at, "msi", "0000:01:00.0", &vector, &n), -ENOENT);
}
END_TEST

static void say(const char *text)
{
	ck_assert_int_eq(ftruncate(rig.vm.interrupts_fd, 0), 0);
	ck_assert_int_eq(fd_pwrite_full(rig.vm.interrupts_fd, text, strlen(text), 0), 0);
}

/* The kernel loses its count when an interrupt is turned off: usher-vmm keeps the sum. */
START_TEST(adds_up_before_they_are_turned_off)
{
	rig_start(suite_fixtures, "nvme");
	rig.vm.interrupts_fd = memfd_create("interrupts", MFD_CLOEXEC);
	/* Another device had the line before, and counted 5. */
	say("      CPU0 CPU1\n 8: 9 9 rtc0\n"
	    " 9: 2 3 ehci_hcd, vfio-intx(0000:01:00.0)\n99: 7 7 vfio-intx(0000:01:00.1)\n");
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert(rig.dev->intx.on);
	/* When the line is off, the kernel keeps its count, but not our name. */
	say("      CPU0 CPU1\n 8: 9 9 rtc0\n 9: 2 6 ehci_hcd\n");
	rig_write(rig.dev->config.msix + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	ck_assert_uint_eq(rig.dev->intx.signals, 3);
	for (unsigned word = 0; word < 4; word++)
		(void)func_msix_write(&rig.dev->msix.guest, rig.dev->msix.guest.table_bar,
			rig.dev->msix.guest.table_off + 4 * word, 4, 0);
	for (unsigned round = 1; round < 3; round++) {
		say("28: 7 3 PCI-MSI vfio-msix[0](0000:01:00.0)\n");
		rig_write(rig.dev->config.msix + PCI_MSIX_FLAGS, 2, 0);
		ck_assert_uint_eq(rig.dev->msix.guest.vectors[0].signals, UINT64_C(10) * round);
		say("");
		rig_write(rig.dev->config.msix + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	}
	fd_close(&rig.vm.interrupts_fd);
	rig_stop();
}
END_TEST

static sem_t go_on;

static void wait_job(struct worker_job *j)
{
	(void)sem_wait(&go_on);
}

static void msix_turn(unsigned flags)
{
	rig_write_at_once(rig.dev->config.msix + PCI_MSIX_FLAGS, 2, flags);
}

/* The vCPU thread reads no /proc/interrupts: the text covers the whole host. */
START_TEST(the_worker_counts)
{
	struct worker_job busy = {.run = wait_job};

	(void)sem_init(&go_on, 0, 0);
	rig_start(suite_fixtures, "nvme");
	rig.vm.interrupts_fd = memfd_create("interrupts", MFD_CLOEXEC);
	struct func_vector *first = &rig.dev->msix.guest.vectors[0];
	say("28: 7 3 PCI-MSI vfio-msix[0](0000:01:00.0)\n");
	rig_write(rig.dev->config.msix + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	worker_add(&rig.dev->worker, &busy);
	msix_turn(0); /* does not wait for ever */
	ck_assert(!rig.dev->msix.guest.on);
	ck_assert_uint_eq(first->signals, 0);
	ck_assert_int_eq(rig.model.on, VFIO_PCI_MSIX_IRQ_INDEX); /* it keeps the count */
	(void)sem_post(&go_on);
	rig_settle();
	ck_assert_uint_eq(first->signals, 10);
	ck_assert_int_eq(rig.model.on, -1);
	/* On again before the worker has looked: it is off in between. */
	msix_turn(PCI_MSIX_FLAGS_ENABLE);
	worker_add(&rig.dev->worker, &busy);
	msix_turn(0);
	msix_turn(PCI_MSIX_FLAGS_ENABLE);
	(void)sem_post(&go_on);
	rig_settle();
	ck_assert_uint_eq(first->signals, 20);
	ck_assert_int_eq(rig.model.on, VFIO_PCI_MSIX_IRQ_INDEX);
	/* Somebody asks while it is on; then the end, with five more. */
	pass_count_take(rig.dev, rig.vm.interrupts_fd);
	ck_assert_uint_eq(first->signals, 30);
	say("28: 9 6 PCI-MSI vfio-msix[0](0000:01:00.0)\n");
	pass_count_take(rig.dev, rig.vm.interrupts_fd);
	ck_assert_uint_eq(first->signals, 35);
	fd_close(&rig.vm.interrupts_fd);
	rig_stop();
}
END_TEST

START_TEST(names_registers)
{
	static const struct {
		uint16_t vendor, device;
		uint32_t class;
		uint64_t off;
		const char *name;
	} rows[] = {
		{0x1b36, 0x0010, 0x010802, 0x1c, "CSTS"},
		{0x1b36, 0x0010, 0x010802, 0x04, "CAP"},
		{0x1b36, 0x0010, 0x010802, 0x1000, "SQ0TDBL"},
		{0x1b36, 0x0010, 0x010802, 0x100c, "CQ1HDBL"},
		{0x1b36, 0x0010, 0x010802, 0x18, ""},
		{0x8086, 0x10d3, 0x020000, 0x00c0, "ICR"},
		{0x8086, 0x10d3, 0x020000, 0x3918, "TDT1"},
		{0x8086, 0x10d3, 0x020000, 0x3a18, ""},
		{0x8086, 0x10d3, 0x020000, 0x5404, "RAH0"},
		{0x1234, 0x11e8, 0x00ff00, 0x88, "DMA destination"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char name[TRACE_NAME];
		const struct trace_decoder *t =
			trace_find(rows[i].vendor, rows[i].device, rows[i].class, 0);
		ck_assert_ptr_nonnull(t);
		trace_name(t, rows[i].off, name);
		ck_assert_str_eq(name, rows[i].name);
	}
	ck_assert_ptr_null(trace_find(0x8086, 0x10d3, 0x020000, 1));
	ck_assert_ptr_null(trace_find(0x10de, 0x1234, 0x030000, 0));
}
END_TEST

/* A traced BAR is trapped as a whole, and otherwise works as before. */
START_TEST(traps_what_is_traced)
{
	struct err e = {0};
	char line[256] = "";
	int both[2], saved = dup(STDERR_FILENO);

	rig_prepare(suite_fixtures, "nvme");
	rig.dev->trace = 1;
	ck_assert_int_eq(rig_learn(&e), 0);
	rig_write(PCI_BASE_ADDRESS_0, 4, 0xc0000000);
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(rig.vm.memory.count, 0);
	ck_assert_int_eq(pipe(both), 0);
	(void)dup2(both[1], STDERR_FILENO);
	rig_mmio_write(0xc0000014, 4, 0x460001);
	(void)dup2(saved, STDERR_FILENO);
	ck_assert_int_gt((int)read(both[0], line, sizeof(line) - 1), 0);
	ck_assert_str_eq(line, "trace: 0000:01:00.0 BAR 0 +0x14 write4 0x460001 CC\n");
	ck_assert_uint_eq(rig_mmio_read(0xc0000014, 4), 0x460001);
	rig_stop();
}
END_TEST

SUITE("pass_trace", counts_by_vector, adds_up_before_they_are_turned_off, the_worker_counts,
	names_registers, traps_what_is_traced)
