/* SPDX-License-Identifier: MIT */
/*
 * A virtio-rng behind its registers. The driver is this test: it sets the device up as a guest
 * does, through configuration space and BAR 0, and then does what no driver may.
 */
#include "virtio_rig.h"

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATA MIB(9) /* a page for each buffer */
#define V1 BIT64(VIRTIO_F_VERSION_1)

static void describe(void)
{
	machine_describe("virtio");
	spec.virtio_count = 1;
	spec.virtio[0] = (struct virtio_spec){.type = VIRTIO_TYPE_RNG};
}

static void start(void)
{
	describe();
	(void)dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	machine_start();
	device_choose(1, VIRTIO_TYPE_RNG);
}

static void set_up(uint64_t features)
{
	features_accept(features);
	queue_place(0);
	common_put(COMMON(queue_msix_vector), 2, 1);
	common_put(COMMON(msix_config), 2, 0);
	queue_enable(0);
	driver_go();
}

/* The driver lists @size bytes to fill, as chain number @n of the queue. */
static void list_buffer(unsigned n, uint32_t size, uint16_t flags)
{
	descriptor_put(0, n, DATA + 4096 * n, size, flags, 0);
	head_list(0, n);
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

START_TEST(fills_what_the_driver_lists)
{
	start();
	set_up(V1);
	for (unsigned n = 0; n < 3; n++) {
		list_buffer(n, 64, VRING_DESC_F_WRITE);
		ring(0);
		used_await(0, (uint16_t)(n + 1));
		ck_assert(is_filled(n, 64));
	}
	/* Listed before the driver said 'go', and never rung for. */
	features_accept(V1);
	queue_place(0);
	queue_enable(0);
	list_buffer(0, 64, VRING_DESC_F_WRITE);
	common_put(COMMON(device_status), 1, GOING);
	used_await(0, 1);
	machine_finish();
}
END_TEST

static uint64_t wait_for_isr(void)
{
	uint64_t isr = 0;

	for (unsigned ms = 0; !isr; ms++) {
		ck_assert_uint_lt(ms, 20000);
		(void)usleep(1000);
		isr = reg_get(VIRTIO_PCI_CAP_ISR_CFG, 0, 1);
	}
	return isr;
}

START_TEST(interrupts_by_its_line_and_its_status)
{
	start();
	set_up(V1);
	list_buffer(0, 64, VRING_DESC_F_WRITE);
	ring(0);
	ck_assert_uint_eq(wait_for_isr(), 1);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_ISR_CFG, 0, 1), 0);
	ck_assert(!(config_get(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
	machine_finish();
}
END_TEST

START_TEST(interrupts_by_a_vector)
{
	start();
	set_up(V1);
	/* The vector is masked, as after power-on, so the interrupt waits in the pending bits. */
	unsigned at = config_get(PCI_CAPABILITY_LIST, 1);
	while (config_get(at, 1) != PCI_CAP_ID_MSIX)
		at = config_get(at + PCI_CAP_LIST_NEXT, 1);
	config_put(at + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	const uint32_t pba = config_get(at + PCI_MSIX_PBA, 4) & ~7u;
	list_buffer(0, 64, VRING_DESC_F_WRITE);
	ring(0);
	used_await(0, 1);
	for (unsigned ms = 0; !(bus_read(&machine.vm.mmio, bar + pba, 8) & 2); ms++) {
		ck_assert_uint_lt(ms, 20000);
		(void)usleep(1000);
	}
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_ISR_CFG, 0, 1), 0);
	machine_finish();
}
END_TEST

START_TEST(confirms_only_what_it_can)
{
	static const unsigned offered[] = {VIRTIO_F_VERSION_1, VIRTIO_RING_F_EVENT_IDX,
		VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER,
		VIRTIO_F_RING_RESET};
	uint64_t expected = 0;

	start();
	for (size_t i = 0; i < COUNT(offered); i++)
		expected |= BIT64(offered[i]);
	ck_assert_uint_eq(features_offered(), expected);
	common_put(COMMON(device_feature_select), 4, 2);
	ck_assert_uint_eq(common_get(COMMON(device_feature), 4), 0);
	features_accept(V1 | BIT64(VIRTIO_F_ACCESS_PLATFORM));
	ck_assert(!(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_FEATURES_OK));
	features_accept(BIT64(VIRTIO_RING_F_EVENT_IDX));
	ck_assert(!(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_FEATURES_OK));
	features_accept(V1);
	ck_assert(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_FEATURES_OK);
	machine_finish();
}
END_TEST

START_TEST(asks_for_a_reset_when_the_driver_breaks_it)
{
	start();
	set_up(V1);
	list_buffer(0, 64, VRING_DESC_F_INDIRECT);
	ring(0);
	ck_assert_uint_eq(wait_for_isr(), 2);
	ck_assert_uint_eq(
		common_get(COMMON(device_status), 1), GOING | VIRTIO_CONFIG_S_NEEDS_RESET);
	/* Only a reset brings it back. */
	common_put(COMMON(device_status), 1, GOING);
	ck_assert(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_NEEDS_RESET);
	set_up(V1);
	list_buffer(0, 64, VRING_DESC_F_WRITE);
	ring(0);
	used_await(0, 1);
	/* A ring that is aligned to nothing. */
	features_accept(V1);
	queue_place(0);
	common_put(COMMON(queue_used_lo), 8, USED(0) + 1);
	common_put(COMMON(queue_enable), 2, 1);
	ck_assert(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_NEEDS_RESET);
	machine_finish();
}
END_TEST

START_TEST(offers_packed_rings_if_the_guest_shall_have_them)
{
	describe();
	spec.packed_rings = false;
	(void)dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	machine_start();
	device_choose(1, VIRTIO_TYPE_RNG);
	ck_assert(!(features_offered() & BIT64(VIRTIO_F_RING_PACKED)));
	features_accept(V1 | BIT64(VIRTIO_F_RING_PACKED));
	ck_assert(!(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_FEATURES_OK));
	machine_finish();
}
END_TEST

START_TEST(takes_a_queue_back_alone)
{
	start();
	set_up(V1);
	/* Without the feature, there is no such register. */
	queue_reset(0);
	ck_assert_uint_eq(common_get(COMMON(queue_enable), 2), 1);
	set_up(V1 | BIT64(VIRTIO_F_RING_RESET));
	list_buffer(0, 64, VRING_DESC_F_WRITE);
	ring(0);
	used_await(0, 1);
	common_put(VIRTIO_PCI_COMMON_Q_RESET, 2, 2);
	ck_assert_uint_eq(common_get(COMMON(queue_enable), 2), 1);
	for (unsigned times = 0; times < 3; times++) {
		queue_reset(0);
		while (queue_is_resetting(0))
			(void)usleep(1000);
		ck_assert_uint_eq(common_get(COMMON(queue_enable), 2), 0);
		ck_assert_uint_eq(common_get(COMMON(device_status), 1), GOING);
		/* What is listed meanwhile is not looked at; when it is on again, it is found. */
		queue_place(0);
		list_buffer(0, 64, VRING_DESC_F_WRITE);
		ring(0);
		ck_assert_uint_eq(used_index(0), 0);
		queue_enable(0);
		used_await(0, 1);
		list_buffer(1, 64, VRING_DESC_F_WRITE);
		ring(0);
		used_await(0, 2);
	}
	machine_finish();
}
END_TEST

START_TEST(is_as_new_after_a_reset_of_its_bus)
{
	start();
	set_up(V1);
	config_put(window + offsetof(struct virtio_pci_cap, offset), 4, 12);
	config_put(window + offsetof(struct virtio_pci_cap, length), 4, 4);
	/* That of the root port above it, which is 00:01.0. */
	pci_config_write_at(
		machine.vm.pci, 0, 1 << 3, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
	pci_config_write_at(machine.vm.pci, 0, 1 << 3, PCI_BRIDGE_CONTROL, 2, 0);
	config_put(PCI_BASE_ADDRESS_0, 4, bar);
	config_put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	reset_await();
	ck_assert_uint_eq(common_get(COMMON(queue_enable), 2), 0);
	ck_assert_uint_eq(common_get(COMMON(queue_msix_vector), 2), VIRTIO_MSI_NO_VECTOR);
	ck_assert_uint_eq(config_get(window + offsetof(struct virtio_pci_cap, offset), 4), 0);
	ck_assert_uint_eq(config_get(window + offsetof(struct virtio_pci_cap, length), 4), 0);
	machine_finish();
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
	machine_finish();
}
END_TEST

/* One for changes of the configuration, one for all queues: a driver finds no third one. */
START_TEST(sockets_share_a_vector)
{
	describe();
	spec.virtio[0] = (struct virtio_spec){.type = VIRTIO_TYPE_VSOCK,
		.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0),
		.cid = 7,
		.listens = true};
	machine_start();
	device_choose(1, VIRTIO_TYPE_VSOCK);
	features_accept(V1);
	for (unsigned n = 0; n < 3; n++) {
		common_put(COMMON(queue_select), 2, n);
		common_put(COMMON(queue_msix_vector), 2, 2);
		ck_assert_uint_eq(common_get(COMMON(queue_msix_vector), 2), VIRTIO_MSI_NO_VECTOR);
		common_put(COMMON(queue_msix_vector), 2, 1);
		ck_assert_uint_eq(common_get(COMMON(queue_msix_vector), 2), 1);
	}
	machine_finish();
}
END_TEST

RIG_SUITE("virtio_pci", fills_what_the_driver_lists, interrupts_by_its_line_and_its_status,
	interrupts_by_a_vector, confirms_only_what_it_can,
	asks_for_a_reset_when_the_driver_breaks_it,
	offers_packed_rings_if_the_guest_shall_have_them, takes_a_queue_back_alone,
	is_as_new_after_a_reset_of_its_bus, has_a_window_in_configuration_space,
	sockets_share_a_vector)
