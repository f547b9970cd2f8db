/* SPDX-License-Identifier: MIT */
/* Interrupts of a passed-through device: MSI-X table, masks and pending bits, MSI, INTx. */
#include "base/err.h"
#include "pass/pass_rig.h"
#include "suite.h"
#include "vmm/pass/function.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define BAR 0xc0000000
#define TABLE (BAR + 0x2000)
#define PBA (BAR + 0x3000)
#define CONTROL 0x42 /* of the NVMe fixture's MSI-X capability */
#define ENABLE PCI_MSIX_FLAGS_ENABLE
#define MASKALL PCI_MSIX_FLAGS_MASKALL

static void start_nvme(void)
{
	rig_start(suite_fixtures, "nvme");
	rig_write(PCI_BASE_ADDRESS_0, 4, BAR);
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	rig_forget();
}

static void mmio(uint64_t addr, unsigned size, uint64_t value)
{
	rig_mmio_write(addr, size, value);
}

static uint64_t mmio_read(uint64_t addr, unsigned size)
{
	return rig_mmio_read(addr, size);
}

/* As Linux sets up a vector: mask, address, data, unmask. */
static void vector(unsigned n, uint32_t data)
{
	mmio(TABLE + 16 * n + 12, 4, 1);
	mmio(TABLE + 16 * n, 4, 0xfee00000);
	mmio(TABLE + 16 * n + 4, 4, 0);
	mmio(TABLE + 16 * n + 8, 4, data);
	mmio(TABLE + 16 * n + 12, 4, 0);
}

/* Starts on a host that cannot add vectors while some are on. Vector 0 is on. */
static void start_fixed(void)
{
	start_nvme();
	rig.dev->msix.fixed = true;
	rig.model.irqs[VFIO_PCI_MSIX_IRQ_INDEX].flags |= VFIO_IRQ_INFO_NORESIZE;
	rig_write(CONTROL, 2, ENABLE);
	vector(0, 0x40);
}

START_TEST(turns_the_device_on_at_once)
{
	start_nvme();
	rig_write(CONTROL, 2, ENABLE | MASKALL);
	/* INTx goes off, MSI-X goes on without a vector. */
	ck_assert_str_eq(rig_log(), "detach16 off0 set2:0+1");
	ck_assert_int_eq(rig.model.fds[0], -1);
	ck_assert_uint_eq(rig_read(CONTROL, 2), ENABLE | MASKALL | 64);
	rig_forget();
	rig_write(CONTROL, 2, ENABLE);
	ck_assert_str_eq(rig_log(), ""); /* every vector is still masked */
	rig_write(CONTROL + 1, 1, 0); /* as a byte */
	ck_assert_str_eq(rig_log(), "attach16 off2 set0:0+1");
	rig_forget();
	rig_write(CONTROL - 2, 4, (uint32_t)ENABLE << 16); /* as a word of four bytes */
	ck_assert_str_eq(rig_log(), "detach16 off0 set2:0+1");
	rig_stop();
}
END_TEST

START_TEST(arms_a_vector_once)
{
	start_nvme();
	rig_write(CONTROL, 2, ENABLE);
	rig_forget();
	vector(3, 0x41);
	ck_assert_str_eq(rig_log(), "commit attach24 set2:3+1");
	ck_assert_uint_eq(rig.vm.irq.routes[24].address, 0xfee00000);
	ck_assert_uint_eq(rig.vm.irq.routes[24].data, 0x41);
	rig_forget();
	mmio(TABLE + 16 * 3 + 12, 4, 1);
	mmio(TABLE + 16 * 3 + 12, 4, 0);
	/* Masking and unmasking change no route and call no VFIO. */
	ck_assert_str_eq(rig_log(), "detach24 attach24");
	rig_forget();
	vector(3, 0x42); /* moved to another CPU */
	ck_assert_str_eq(rig_log(), "detach24 commit attach24");
	rig_stop();
}
END_TEST

START_TEST(keeps_what_comes_while_masked)
{
	start_nvme();
	rig_write(CONTROL, 2, ENABLE);
	vector(5, 0x41);
	mmio(TABLE + 16 * 5 + 12, 4, 1);
	ck_assert_uint_eq(mmio_read(PBA, 8), 0);
	ck_assert_int_eq(eventfd_write(rig.model.fds[5], 1), 0);
	ck_assert_uint_eq(mmio_read(PBA, 8), 1 << 5);
	ck_assert_uint_eq(mmio_read(PBA, 4), 1 << 5);
	ck_assert_uint_eq(mmio_read(PBA + 8, 8), 0); /* vector 64 */
	mmio(PBA, 8, 0); /* read-only */
	ck_assert_uint_eq(mmio_read(PBA, 8), 1 << 5);
	mmio(TABLE + 16 * 5 + 12, 4, 0);
	ck_assert_uint_eq(mmio_read(PBA, 8), 0); /* KVM has it */
	/* The function's mask works like each vector's. */
	rig_write(CONTROL, 2, ENABLE | MASKALL);
	ck_assert_uint_eq(mmio_read(PBA, 8), 1 << 5);
	/* A vector that is turned off loses its pending bit. */
	rig_write(CONTROL, 2, 0);
	ck_assert_uint_eq(mmio_read(PBA, 8), 0);
	rig_stop();
}
END_TEST

START_TEST(sets_routes_of_all_vectors_together)
{
	start_nvme();
	rig_write(CONTROL, 2, ENABLE | MASKALL);
	for (unsigned n = 0; n < 64; n++)
		vector(n, 0x40 + n);
	rig.commits = 0;
	rig_forget();
	rig_write(CONTROL, 2, ENABLE);
	ck_assert_uint_eq(rig.commits, 1);
	ck_assert_uint_eq(rig.attached, 64);
	ck_assert_ptr_nonnull(strstr(rig_log(), "attach87 set2:0+64"));
	rig_stop();
}
END_TEST

START_TEST(grows_where_vectors_are_fixed)
{
	start_fixed();
	rig_forget();
	vector(2, 0x42);
	ck_assert_str_eq(rig_log(), "commit attach25 off2 set2:0+3 set2:2+1");
	ck_assert_int_eq(rig.model.fds[0], rig.dev->msix.guest.vectors[0].eventfd);
	ck_assert_int_eq(rig.model.fds[1], -1);
	ck_assert_int_eq(rig.model.fds[2], rig.dev->msix.guest.vectors[2].eventfd);
	eventfd_t count;
	ck_assert_int_eq(eventfd_read(rig.model.fds[0], &count), 0); /* in case one was lost */

	rig.model.vectors_max = 3;
	vector(7, 0x47); /* the host has no more vectors: the others go on */
	ck_assert_int_eq(rig.model.on, VFIO_PCI_MSIX_IRQ_INDEX);
	ck_assert_int_eq(rig.model.fds[2], rig.dev->msix.guest.vectors[2].eventfd);
	/* All were off for a moment. */
	ck_assert_int_eq(eventfd_read(rig.model.fds[0], &count), 0);
	ck_assert_int_eq(eventfd_read(rig.model.fds[2], &count), 0);
	rig_stop();
}
END_TEST

START_TEST(answers_odd_accesses)
{
	start_nvme();
	mmio(TABLE + 8, 8, UINT64_MAX); /* data and control in one */
	ck_assert_uint_eq(mmio_read(TABLE + 8, 8), 0x1ffffffff); /* reserved bits read 0 */
	mmio(TABLE, 8, 0x1122334455667788);
	ck_assert_uint_eq(mmio_read(TABLE, 4), 0x55667788);
	ck_assert_uint_eq(mmio_read(TABLE + 4, 4), 0x11223344);
	ck_assert_uint_eq(mmio_read(TABLE + 2, 2), 0x5566);
	mmio(TABLE + 12, 8, 0); /* across two entries */
	ck_assert_uint_eq(mmio_read(TABLE + 12, 4), 0);
	/* The last entry; and the rest of its page, which is the device's own. */
	mmio(TABLE + 16 * 64 + 12, 4, 0);
	ck_assert_uint_eq(mmio_read(TABLE + 16 * 64 + 12, 4), 0);
	rig.model.regions[0].memory[0x2410] = 0x77;
	ck_assert_uint_eq(mmio_read(TABLE + 16 * 65, 1), 0x77);
	rig_stop();
}
END_TEST

START_TEST(survives_a_host_that_cannot)
{
	start_nvme();
	rig.refuse_attach = true;
	rig_write(CONTROL, 2, ENABLE);
	vector(0, 0x40);
	rig.refuse_attach = false;
	vector(0, 0x40); /* tried again */
	ck_assert_uint_eq(rig.attached, 1);
	ck_assert_int_eq(rig.model.fds[0], rig.dev->msix.guest.vectors[0].eventfd);
	rig_stop();
}
END_TEST

/* Vector 1 cannot be set up. This is reported, and does not disturb vector 0. */
static void expect_no_room_for_1(void)
{
	ck_assert_uint_eq(rig.dev->misdeeds.vector.count, 0);
	rig_forget();
	vector(1, 0x41);
	ck_assert_str_eq(rig_log(), "");
	ck_assert_uint_gt(rig.dev->misdeeds.vector.count, 0);
	ck_assert_int_eq(rig.model.fds[1], -1);
	ck_assert_int_eq(rig.model.fds[0], rig.dev->msix.guest.vectors[0].eventfd);
	ck_assert_uint_eq(rig.attached, 1);
}

static void expect_room_for_1(void)
{
	vector(1, 0x41);
	ck_assert_uint_eq(rig.attached, 2);
	ck_assert_int_eq(rig.model.fds[1], rig.dev->msix.guest.vectors[1].eventfd);
	rig_stop();
}

START_TEST(goes_without_a_vector_when_gsis_are_used_up)
{
	start_nvme();
	rig_write(CONTROL, 2, ENABLE);
	vector(0, 0x40);
	rig.no_gsi = true;
	expect_no_room_for_1();
	rig.no_gsi = false;
	expect_room_for_1();
}
END_TEST

START_TEST(goes_without_a_vector_when_descriptors_are_used_up)
{
	struct rlimit was, none;

	start_nvme();
	rig_write(CONTROL, 2, ENABLE);
	vector(0, 0x40);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	int next = dup(0);
	ck_assert_int_ge(next, 0);
	(void)close(next);
	none = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = was.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	expect_no_room_for_1();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	expect_room_for_1();
}
END_TEST

START_TEST(hides_a_table_outside_its_bar)
{
	rig_start(suite_fixtures, "nvme");
	struct pass_dev *d = rig.dev;
	pass_dev_unlearn(d);
	rig.model.config[0x45] = 0x3f; /* table at 0x3f00: 65 entries end beyond the BAR */
	memset(&d->config, 0, sizeof(d->config));
	ck_assert_int_eq(pass_dev_learn(d, NULL), 0);
	ck_assert_uint_eq(d->msix.guest.count, 0);
	ck_assert_uint_eq(rig_read(PCI_CAPABILITY_LIST, 1), 0x80);
	rig_stop();
}
END_TEST

START_TEST(gives_intx_to_kvm)
{
	start_nvme();
	ck_assert_int_eq(rig.model.on, VFIO_PCI_INTX_IRQ_INDEX);
	ck_assert_int_eq(rig.model.fds[0], rig.dev->intx.line.trigger);
	ck_assert_int_eq(rig.model.unmask_fd, rig.dev->intx.line.resample);
	rig_stop();
}
END_TEST

/* MSI of the made-up accelerator: at 0x50, 64-bit, 8 messages, mask bits. */
START_TEST(routes_each_message)
{
	rig_start(suite_fixtures, "accel");
	ck_assert_uint_eq(rig_read(0x52, 2), 0x186); /* the host has 8, not 32 */
	rig_write(0x54, 4, 0xfee01000);
	rig_write(0x58, 4, 0);
	rig_write(0x5c, 2, 0x4141);
	rig_forget();
	rig_write(0x52, 2, 0x1b1 | 0xffff0000); /* on, 8 messages */
	ck_assert_str_eq(rig_log(), "commit attach24 attach25 attach26 attach27 attach28 attach29 "
				    "attach30 attach31 set1:0+8");
	ck_assert_uint_eq(rig.vm.irq.routes[24].data, 0x4140);
	ck_assert_uint_eq(rig.vm.irq.routes[31].data, 0x4147);
	rig_forget();
	rig_write(0x60, 4, 0xffffff02); /* one masked; bits beyond the 8 do not exist */
	ck_assert_uint_eq(rig_read(0x60, 4), 2);
	ck_assert_str_eq(rig_log(), "detach25");
	rig_forget();
	rig_write(0x5c, 2, 0x4150);
	ck_assert_str_eq(rig_log(), "commit");
	rig_forget();
	rig_write(0x52, 2, 0);
	ck_assert_uint_eq(rig.attached, 0);
	ck_assert_int_eq(rig.model.on, -1);

	rig.model.vectors_max = 4; /* the host has fewer vectors than it said */
	rig_write(0x52, 2, 0x31);
	ck_assert_uint_eq(rig.dev->msi.on, 4);
	rig_forget();
	rig_write(0x60, 4, 0);
	ck_assert_str_eq(rig_log(), "attach25"); /* not off and on again, which loses interrupts */
	rig_forget();
	rig_write(0x52, 2, 0x11); /* the guest now asks for two */
	ck_assert_ptr_nonnull(strstr(rig_log(), "off1"));
	ck_assert_uint_eq(rig.dev->msi.on, 2);
	rig_stop();
}
END_TEST

START_TEST(a_masked_message_is_pending)
{
	eventfd_t count;

	rig_start(suite_fixtures, "accel");
	rig_write(0x54, 4, 0xfee01000);
	rig_write(0x52, 2, 0x31); /* on, 8 messages */
	rig_write(0x60, 4, 0x82);
	ck_assert_uint_eq(rig_read(0x64, 4), 0);
	ck_assert_int_eq(eventfd_write(rig.model.fds[1], 1), 0);
	ck_assert_int_eq(eventfd_write(rig.model.fds[7], 1), 0);
	ck_assert_uint_eq(rig_read(0x64, 4), 0x82);
	ck_assert_uint_eq(rig_read(0x64, 1), 0x82);
	ck_assert_uint_eq(rig_read(0x65, 1), 0);
	ck_assert_uint_eq(rig_read(0x60, 4), 0x82); /* the mask is unchanged */
	rig_forget();
	rig_write(0x64, 4, 0); /* read-only */
	ck_assert_uint_eq(rig_read(0x64, 4), 0x82);
	rig_write(0x60, 4, 0x80);
	ck_assert_str_eq(rig_log(), "attach25"); /* KVM delivers the signal in the eventfd */
	ck_assert_int_eq(eventfd_read(rig.model.fds[1], &count), 0);
	ck_assert_uint_eq(rig_read(0x64, 4), 0x80);
	rig_stop();
}
END_TEST

/* The host cannot set up the line now, but may after the guest's reboot. */
START_TEST(intx_is_tried_again_after_a_reset)
{
	rig_start(suite_fixtures, "nvme");
	rig.refuse_attach = true;
	rig_write(PCI_BASE_ADDRESS_0, 4, BAR);
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert(rig.dev->intx.failed);
	rig.refuse_attach = false;
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY); /* no new try at each write */
	ck_assert(!rig.dev->intx.on);
	rig_reset(rig.dev);
	rig_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert(rig.dev->intx.on);
	rig_stop();
}
END_TEST

/* The host has no more vectors, and cannot restore the old ones, either. */
START_TEST(lost_vectors_are_told_and_come_back)
{
	start_fixed();
	vector(1, 0x41);
	uint64_t told = rig.dev->misdeeds.vector.count;
	rig.model.refuse_vectors = true;
	vector(2, 0x42);
	ck_assert_int_eq(rig.model.on, -1);
	ck_assert_uint_eq(rig.dev->misdeeds.vector.count, told + 2); /* neither new nor old ones */
	rig.model.refuse_vectors = false;
	vector(0, 0x40);
	ck_assert_int_eq(rig.model.fds[0], rig.dev->msix.guest.vectors[0].eventfd);
	vector(1, 0x41);
	ck_assert_int_eq(rig.model.fds[0], rig.dev->msix.guest.vectors[0].eventfd);
	ck_assert_int_eq(rig.model.fds[1], rig.dev->msix.guest.vectors[1].eventfd);
	ck_assert_int_eq(rig.model.fds[2], rig.dev->msix.guest.vectors[2].eventfd);
	rig.model.refuse_vectors = true;
	vector(3, 0x43);
	rig_forget();
	rig_write(CONTROL, 2, 0); /* no kind is on, so none is turned off */
	ck_assert_ptr_null(strstr(rig_log(), "off2"));
	rig_stop();
}
END_TEST

SUITE("pass_msix", turns_the_device_on_at_once, arms_a_vector_once, keeps_what_comes_while_masked,
	sets_routes_of_all_vectors_together, grows_where_vectors_are_fixed, answers_odd_accesses,
	survives_a_host_that_cannot, goes_without_a_vector_when_gsis_are_used_up,
	goes_without_a_vector_when_descriptors_are_used_up, hides_a_table_outside_its_bar,
	gives_intx_to_kvm, routes_each_message, a_masked_message_is_pending,
	intx_is_tried_again_after_a_reset, lost_vectors_are_told_and_come_back)
