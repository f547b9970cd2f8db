/* SPDX-License-Identifier: MIT */
/* What VFIO may take long for: no processor of the guest waits for it longer than it has to. */
#include "vmm/pass/access.h"

#include "base/num.h"
#include "pass/pass_rig.h"
#include "suite.h"
#include "vmm/pass/function.h"

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#define BAR 0xc0000000
#define TABLE (BAR + 0x2000)
#define CONTROL 0x42 /* of the NVMe fixture's MSI-X capability */
#define PMCSR 0x64
#define DEVCTL 0x88 /* the device's own, but for the reset bit */

static sem_t entered, go_on;

/* The host is at the device, for longer than anybody waits. */
static void wait_for_host(void)
{
	(void)sem_post(&entered);
	(void)sem_wait(&go_on);
}

static void set_sleep(void (*sleeps)(void))
{
	__atomic_store_n(&rig.model.sleeps, sleeps, __ATOMIC_SEQ_CST);
}

static void start_nvme(void)
{
	(void)sem_init(&entered, 0, 0);
	(void)sem_init(&go_on, 0, 0);
	rig_start(suite_fixtures, "nvme");
	rig_write(PCI_BASE_ADDRESS_0, 4, BAR);
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	rig_forget();
}

static uint64_t ms_since(const struct timespec *then)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - then->tv_sec) * 1000 +
			  (now.tv_nsec - then->tv_nsec) / 1000000);
}

static struct timespec start_clock(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t;
}

/* Each call takes 20 ms: the guest finds the result, as after a write on hardware. */
START_TEST(waits_for_a_slow_host)
{
	start_nvme();
	rig.model.delay_ms = 20;
	rig_write_at_once(PMCSR, 2, 3);
	ck_assert_uint_eq(rig.dev->power, 3);
	ck_assert(!rig_maps(rig.dev, BAR));
	rig_write_at_once(PMCSR, 2, 0);
	ck_assert_uint_eq(rig_read(PMCSR, 2) & PCI_PM_CTRL_STATE_MASK, 0);
	ck_assert(rig_maps(rig.dev, BAR));
	rig_write_at_once(CONTROL, 2, PCI_MSIX_FLAGS_ENABLE);
	ck_assert_int_eq(rig.model.on, VFIO_PCI_MSIX_IRQ_INDEX);
	for (unsigned word = 0; word < 4; word++)
		rig_mmio_write(TABLE + 4 * word, 4, 0);
	ck_assert_int_eq(rig.model.fds[0], rig.dev->msix.guest.vectors[0].eventfd);
	rig_write_at_once(CONTROL, 2, 0);
	ck_assert_int_eq(rig.model.on, VFIO_PCI_INTX_IRQ_INDEX);
	rig.model.delay_ms = 0;
	rig_stop();
}
END_TEST

/* As while somebody on the host resets the device. */
START_TEST(reads_all_ones_of_a_host_that_hangs)
{
	start_nvme();
	const uint32_t was = rig_read(PCI_VENDOR_ID, 4);
	set_sleep(wait_for_host);
	struct timespec then = start_clock();
	ck_assert_uint_eq(rig_read(PCI_VENDOR_ID, 4), UINT32_MAX);
	ck_assert_uint_ge(ms_since(&then), PASS_PATIENCE_MS - 10);
	then = start_clock();
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_uint_eq(rig_read(PCI_VENDOR_ID, 4), UINT32_MAX);
	rig_write_at_once(DEVCTL, 2, 0);
	ck_assert_uint_lt(ms_since(&then), PASS_PATIENCE_MS); /* once is enough */
	/* What usher emulates is there. */
	ck_assert_uint_eq(rig_read(PCI_BASE_ADDRESS_0, 4), BAR | 4);
	set_sleep(NULL);
	(void)sem_post(&go_on);
	rig_settle();
	ck_assert_uint_eq(rig_read(PCI_VENDOR_ID, 4), was);
	ck_assert_ptr_nonnull(strstr(rig_log(), "cfg88=0")); /* late, but not lost */
	rig_stop();
}
END_TEST

static void *read_vendor(void *arg)
{
	(void)arg;
	(void)rig_config_read(rig.dev, PCI_VENDOR_ID, 4);
	return NULL;
}

/* A processor that waits does not hold up another one at the same device. */
START_TEST(waits_without_the_lock)
{
	pthread_t other;

	start_nvme();
	set_sleep(wait_for_host);
	ck_assert_int_eq(pthread_create(&other, NULL, read_vendor, NULL), 0);
	(void)sem_wait(&entered);
	struct timespec then = start_clock();
	ck_assert_uint_eq(rig_read(PCI_BASE_ADDRESS_0, 4), BAR | 4);
	rig.model.regions[0].memory[0x2410] = 0x77;
	ck_assert_uint_eq(rig_mmio_read(TABLE + 0x410, 1), 0x77);
	ck_assert_uint_lt(ms_since(&then), PASS_PATIENCE_MS / 2);
	set_sleep(NULL);
	(void)sem_post(&go_on);
	ck_assert_int_eq(pthread_join(other, NULL), 0);
	rig_stop();
}
END_TEST

/* The guest went on before VFIO had its vector: what the device has signalled may be lost. */
START_TEST(signals_what_it_connects_late)
{
	eventfd_t count;

	start_nvme();
	set_sleep(wait_for_host);
	rig_write_at_once(CONTROL, 2, PCI_MSIX_FLAGS_ENABLE);
	for (unsigned word = 0; word < 4; word++)
		rig_mmio_write(TABLE + 4 * word, 4, 0);
	ck_assert_int_eq(rig.model.on, VFIO_PCI_INTX_IRQ_INDEX);
	set_sleep(NULL);
	(void)sem_post(&go_on);
	rig_settle();
	ck_assert_int_eq(rig.model.on, VFIO_PCI_MSIX_IRQ_INDEX);
	ck_assert_int_eq(eventfd_read(rig.model.fds[0], &count), 0);
	/* One that is connected in time is not signalled. */
	for (unsigned word = 0; word < 4; word++)
		rig_mmio_write(TABLE + 16 + 4 * word, 4, 0);
	ck_assert_int_eq(eventfd_read(rig.model.fds[1], &count), -1);
	rig_stop();
}
END_TEST

/* Bus mastering goes with the power of the slot, asked for or not. */
START_TEST(does_no_dma_without_power)
{
	start_nvme();
	ck_assert(rig.model.config[PCI_COMMAND] & PCI_COMMAND_MASTER);
	rig_quiet(rig.dev);
	rig_settle();
	ck_assert_uint_eq(rig.model.config[PCI_COMMAND] & PCI_COMMAND_MASTER, 0);
	ck_assert(!rig_maps(rig.dev, BAR));
	rig_reset(rig.dev);
	ck_assert_uint_eq(rig.model.resets, 1);
	rig_stop();
}
END_TEST

SUITE("pass_access", waits_for_a_slow_host, reads_all_ones_of_a_host_that_hangs,
	waits_without_the_lock, signals_what_it_connects_late, does_no_dma_without_power)
