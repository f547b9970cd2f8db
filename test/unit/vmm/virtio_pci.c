/* SPDX-License-Identifier: MIT */
/*
 * A virtio-rng behind its registers. The driver is this test: it sets the device up as a guest
 * does, through configuration space and BAR 0, and then does what no driver may.
 */
#include "base/err.h"
#include "base/num.h"
#include "suite.h"
#include "vmm/copy.h"
#include "vmm/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define RINGS MIB(8) /* in guest memory: descriptors, and a page further each, the other two */
#define DATA (MIB(8) + KIB(64))
#define BUS 1
#define GOING                                                                                 \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK)
#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)

static struct machine machine;
static uint32_t bar; /* where BAR 0 is */
static uint32_t places[6]; /* offset in BAR 0, by type of capability */
static unsigned window; /* the capability PCI_CFG */

static uint32_t config_get(unsigned off, unsigned size)
{
	return pci_config_read_at(machine.vm.pci, BUS, 0, off, size);
}

static void config_put(unsigned off, unsigned size, uint32_t value)
{
	pci_config_write_at(machine.vm.pci, BUS, 0, off, size, value);
}

static uint64_t get(uint64_t off, unsigned size)
{
	return bus_read(&machine.vm.mmio, bar + off, size);
}

static void put(uint64_t off, unsigned size, uint64_t value)
{
	bus_write(&machine.vm.mmio, bar + off, size, value);
}

static uint64_t common_get(uint64_t field, unsigned size)
{
	return get(places[VIRTIO_PCI_CAP_COMMON_CFG] + field, size);
}

static void common_put(uint64_t field, unsigned size, uint64_t value)
{
	put(places[VIRTIO_PCI_CAP_COMMON_CFG] + field, size, value);
}

static void find_places(void)
{
	for (unsigned at = config_get(PCI_CAPABILITY_LIST, 1); at;
		at = config_get(at + PCI_CAP_LIST_NEXT, 1)) {
		if (config_get(at, 1) != PCI_CAP_ID_VNDR)
			continue;
		unsigned type = config_get(at + offsetof(struct virtio_pci_cap, cfg_type), 1);
		ck_assert_uint_lt(type, COUNT(places));
		places[type] = config_get(at + offsetof(struct virtio_pci_cap, offset), 4);
		if (type == VIRTIO_PCI_CAP_PCI_CFG)
			window = at;
	}
}

static void start(void)
{
	static struct machine_spec spec = {.name = "virtio",
		.memory = MIB(16),
		.cpus = 1,
		.kernel.name = "plug",
		.initrd.fd = -1,
		.cmdline = "",
		.keeper_fd = -1,
		.calls_fd = -1,
		.orders_fd = -1,
		.interrupts_fd = -1,
		.virtio_count = 1,
		.virtio = {{.type = VIRTIO_TYPE_RNG}}};
	struct err e = {0};

	spec.kernel.fd = open(getenv("USHER_PLUG"), O_RDONLY | O_CLOEXEC);
	spec.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	(void)dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	ck_assert_msg(machine_init(&machine, &machine_reduced, &spec, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(config_get(PCI_VENDOR_ID, 4), 0x10441af4);
	find_places();
	bar = config_get(PCI_BASE_ADDRESS_0, 4) & ~15u;
	config_put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static uint64_t feature(unsigned bit)
{
	return UINT64_C(1) << bit;
}

/* As a driver must: until the status reads 0, the device may be at work. */
static void wait_for_reset(void)
{
	for (unsigned ms = 0; common_get(COMMON(device_status), 1); ms++) {
		ck_assert_uint_lt(ms, 20000);
		(void)usleep(1000);
	}
}

static void accept_features(uint64_t features)
{
	common_put(COMMON(device_status), 1, 0);
	wait_for_reset();
	common_put(COMMON(device_status), 1, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	for (unsigned half = 0; half < 2; half++) {
		common_put(COMMON(guest_feature_select), 4, half);
		common_put(COMMON(guest_feature), 4, (uint32_t)(features >> 32 * half));
	}
	common_put(COMMON(device_status), 1,
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
}

static void place_queue(uint64_t used)
{
	ck_assert_int_eq(memory_fill(&machine.vm.memory, GPA(RINGS), 0, KIB(12)), 0);
	common_put(COMMON(queue_select), 2, 0);
	ck_assert_uint_eq(common_get(COMMON(queue_size), 2), 256);
	common_put(COMMON(queue_size), 2, 16);
	common_put(COMMON(queue_desc_lo), 4, RINGS);
	common_put(COMMON(queue_desc_hi), 4, 0);
	common_put(COMMON(queue_avail_lo), 8, RINGS + KIB(4));
	common_put(COMMON(queue_used_lo), 4, (uint32_t)used);
	common_put(COMMON(queue_used_hi), 4, (uint32_t)(used >> 32));
}

static void set_up(uint64_t features)
{
	accept_features(features);
	place_queue(RINGS + KIB(8));
	common_put(COMMON(queue_msix_vector), 2, 1);
	common_put(COMMON(msix_config), 2, 0);
	common_put(COMMON(queue_enable), 2, 1);
	ck_assert_uint_eq(common_get(COMMON(queue_enable), 2), 1);
	common_put(COMMON(device_status), 1, GOING);
	ck_assert_uint_eq(common_get(COMMON(device_status), 1), GOING);
}

static void stop_loop(struct loop_source *s, uint32_t events)
{
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	loop_stop(&machine.vm.loop);
}

/* The main thread serves what has come. */
static void serve(void)
{
	struct loop_source s = {.fd = eventfd(1, EFD_NONBLOCK), .ready = stop_loop};

	ck_assert_int_eq(loop_add(&machine.vm.loop, &s, NULL), 0);
	ck_assert_int_eq(loop_run(&machine.vm.loop, NULL), 0);
	loop_restart(&machine.vm.loop);
	loop_remove(&machine.vm.loop, &s);
	(void)close(s.fd);
}

static uint16_t word_at(uint64_t at)
{
	uint16_t v;

	ck_assert_int_eq(memory_le16_get(&machine.vm.memory, GPA(at), &v), 0);
	return v;
}

/* The driver lists @size bytes to fill, as chain number @n of the queue. */
static void list_buffer(unsigned n, uint32_t size, uint16_t flags)
{
	const struct vring_desc d = {DATA + 4096 * n, size, flags, 0};
	struct memory *m = &machine.vm.memory;

	ck_assert_int_eq(memory_write(m, GPA(RINGS + 16 * n), &d, sizeof(d)), 0);
	ck_assert_int_eq(memory_le16_put(m, GPA(RINGS + KIB(4) + 4 + 2 * n), (uint16_t)n), 0);
	ck_assert_int_eq(memory_le16_put(m, GPA(RINGS + KIB(4) + 2), (uint16_t)(n + 1)), 0);
}

static void ring(void)
{
	const uint64_t step = common_get(COMMON(queue_notify_off), 2);

	put(places[VIRTIO_PCI_CAP_NOTIFY_CFG] + 4 * step, 2, 0);
	serve();
}

static void wait_for_used(unsigned count)
{
	for (unsigned ms = 0; word_at(RINGS + KIB(8) + 2) != count; ms++) {
		ck_assert_uint_lt(ms, 20000);
		(void)usleep(1000);
	}
}

static bool is_filled(unsigned n, uint32_t size)
{
	uint8_t bytes[64];

	ck_assert_int_eq(memory_read(&machine.vm.memory, GPA(DATA + 4096 * n), bytes, size), 0);
	for (uint32_t i = 0; i < size; i++)
		if (bytes[i])
			return true;
	return false;
}

static void finish(void)
{
	machine_fini(&machine);
	ck_assert_uint_eq(machine.vm.memory.count, 0);
}

START_TEST(fills_what_the_driver_lists)
{
	start();
	set_up(feature(VIRTIO_F_VERSION_1));
	for (unsigned n = 0; n < 3; n++) {
		list_buffer(n, 64, VRING_DESC_F_WRITE);
		ring();
		wait_for_used(n + 1);
		ck_assert(is_filled(n, 64));
	}
	/* Listed before the driver said 'go', and never rung for. */
	accept_features(feature(VIRTIO_F_VERSION_1));
	place_queue(RINGS + KIB(8));
	common_put(COMMON(queue_enable), 2, 1);
	list_buffer(0, 64, VRING_DESC_F_WRITE);
	common_put(COMMON(device_status), 1, GOING);
	wait_for_used(1);
	finish();
}
END_TEST

static uint64_t wait_for_isr(void)
{
	uint64_t isr = 0;

	for (unsigned ms = 0; !isr; ms++) {
		ck_assert_uint_lt(ms, 20000);
		(void)usleep(1000);
		isr = get(places[VIRTIO_PCI_CAP_ISR_CFG], 1);
	}
	return isr;
}

START_TEST(interrupts_by_its_line_and_its_status)
{
	start();
	set_up(feature(VIRTIO_F_VERSION_1));
	list_buffer(0, 64, VRING_DESC_F_WRITE);
	ring();
	ck_assert_uint_eq(wait_for_isr(), 1);
	ck_assert_uint_eq(get(places[VIRTIO_PCI_CAP_ISR_CFG], 1), 0);
	ck_assert(!(config_get(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
	finish();
}
END_TEST

START_TEST(interrupts_by_a_vector)
{
	start();
	set_up(feature(VIRTIO_F_VERSION_1));
	/* The vector is masked, as after power-on, so the interrupt waits in the pending bits. */
	unsigned at = config_get(PCI_CAPABILITY_LIST, 1);
	while (config_get(at, 1) != PCI_CAP_ID_MSIX)
		at = config_get(at + PCI_CAP_LIST_NEXT, 1);
	config_put(at + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	const uint32_t pba = config_get(at + PCI_MSIX_PBA, 4) & ~7u;
	list_buffer(0, 64, VRING_DESC_F_WRITE);
	ring();
	wait_for_used(1);
	for (unsigned ms = 0; !(get(pba, 8) & 2); ms++) {
		ck_assert_uint_lt(ms, 20000);
		(void)usleep(1000);
	}
	ck_assert_uint_eq(get(places[VIRTIO_PCI_CAP_ISR_CFG], 1), 0);
	finish();
}
END_TEST

START_TEST(confirms_only_what_it_can)
{
	static const unsigned offered[] = {
		VIRTIO_F_VERSION_1, VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC};
	uint64_t features = 0;

	start();
	for (unsigned half = 0; half < 3; half++) {
		common_put(COMMON(device_feature_select), 4, half);
		const uint64_t word = common_get(COMMON(device_feature), 4);
		features |= half < 2 ? word << 32 * half : word;
	}
	uint64_t expected = 0;
	for (size_t i = 0; i < COUNT(offered); i++)
		expected |= feature(offered[i]);
	ck_assert_uint_eq(features, expected);
	accept_features(feature(VIRTIO_F_VERSION_1) | feature(VIRTIO_F_ACCESS_PLATFORM));
	ck_assert(!(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_FEATURES_OK));
	accept_features(feature(VIRTIO_RING_F_EVENT_IDX));
	ck_assert(!(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_FEATURES_OK));
	accept_features(feature(VIRTIO_F_VERSION_1));
	ck_assert(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_FEATURES_OK);
	finish();
}
END_TEST

START_TEST(asks_for_a_reset_when_the_driver_breaks_it)
{
	start();
	set_up(feature(VIRTIO_F_VERSION_1));
	list_buffer(0, 64, VRING_DESC_F_INDIRECT);
	ring();
	ck_assert_uint_eq(wait_for_isr(), 2);
	ck_assert_uint_eq(
		common_get(COMMON(device_status), 1), GOING | VIRTIO_CONFIG_S_NEEDS_RESET);
	/* Only a reset brings it back. */
	common_put(COMMON(device_status), 1, GOING);
	ck_assert(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_NEEDS_RESET);
	set_up(feature(VIRTIO_F_VERSION_1));
	list_buffer(0, 64, VRING_DESC_F_WRITE);
	ring();
	wait_for_used(1);
	/* A ring that is aligned to nothing. */
	accept_features(feature(VIRTIO_F_VERSION_1));
	place_queue(RINGS + 1);
	common_put(COMMON(queue_enable), 2, 1);
	ck_assert(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_NEEDS_RESET);
	finish();
}
END_TEST

START_TEST(is_as_new_after_a_reset_of_its_bus)
{
	start();
	set_up(feature(VIRTIO_F_VERSION_1));
	config_put(window + offsetof(struct virtio_pci_cap, offset), 4, 12);
	config_put(window + offsetof(struct virtio_pci_cap, length), 4, 4);
	/* That of the root port above it, which is 00:01.0. */
	pci_config_write_at(
		machine.vm.pci, 0, 1 << 3, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
	pci_config_write_at(machine.vm.pci, 0, 1 << 3, PCI_BRIDGE_CONTROL, 2, 0);
	config_put(PCI_BASE_ADDRESS_0, 4, bar);
	config_put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	wait_for_reset();
	ck_assert_uint_eq(common_get(COMMON(queue_enable), 2), 0);
	ck_assert_uint_eq(common_get(COMMON(queue_msix_vector), 2), VIRTIO_MSI_NO_VECTOR);
	ck_assert_uint_eq(config_get(window + offsetof(struct virtio_pci_cap, offset), 4), 0);
	ck_assert_uint_eq(config_get(window + offsetof(struct virtio_pci_cap, length), 4), 0);
	finish();
}
END_TEST

static void look_through(unsigned size, uint32_t off)
{
	config_put(window + offsetof(struct virtio_pci_cap, bar), 1, 0);
	config_put(window + offsetof(struct virtio_pci_cap, offset), 4, off);
	config_put(window + offsetof(struct virtio_pci_cap, length), 4, size);
}

START_TEST(has_a_window_in_configuration_space)
{
	start();
	const unsigned at = window + sizeof(struct virtio_pci_cap);
	ck_assert_uint_ne(window, 0);
	config_put(PCI_COMMAND, 2, 0); /* it needs no BAR */
	look_through(1, places[VIRTIO_PCI_CAP_COMMON_CFG] + COMMON(device_status));
	config_put(at, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	ck_assert_uint_eq(config_get(at, 1), VIRTIO_CONFIG_S_ACKNOWLEDGE);
	look_through(2, places[VIRTIO_PCI_CAP_COMMON_CFG] + COMMON(num_queues));
	ck_assert_uint_eq(config_get(at, 2), 1);
	/* What is not in the BAR, or not aligned, is not reached. */
	look_through(4, UINT32_MAX - 3);
	config_put(at, 4, 7);
	look_through(4, 2);
	config_put(at, 4, 7);
	look_through(3, 0);
	config_put(at, 4, 7);
	finish();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {fills_what_the_driver_lists,
		interrupts_by_its_line_and_its_status, interrupts_by_a_vector,
		confirms_only_what_it_can, asks_for_a_reset_when_the_driver_breaks_it,
		is_as_new_after_a_reset_of_its_bus, has_a_window_in_configuration_space};
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = fd < 0 ? -1 : ioctl(fd, KVM_CREATE_VM, 0);

	if (vm < 0) {
		(void)printf("1..0 # SKIP no KVM: %s\n", strerror(errno));
		return 0;
	}
	(void)close(vm);
	(void)close(fd);
	return suite_run("virtio_pci", tests, COUNT(tests));
}
