/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_VMM_CONSOLE_RIG_H
#define TEST_UNIT_VMM_CONSOLE_RIG_H

/* A machine with a virtio console, its driver, and what is at the host's end. */
#include "base/bits.h"
#include "base/endian.h"
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
#include <linux/virtio_console.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define RINGS(n) (MIB(8) + (n)*KIB(64)) /* of queue n: descriptors, available at 4K, used at 8K */
#define DATA(n) (MIB(10) + (n)*KIB(256)) /* its buffers, STEP each */
#define STEP KIB(16)
#define SIZE 16
#define GOING                                                                                 \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK)
#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)
#define CONFIG(field) offsetof(struct virtio_console_config, field)
#define CONSOLE 1 /* buses */
#define PORTS 2
#define CONTROL_IN 2 /* queues */
#define CONTROL_OUT 3
#define IN(port) ((port) ? 2 * (port) + 2 : 0)
#define OUT(port) (IN(port) + 1)

static struct machine machine;
static struct machine_spec spec;
static unsigned bus; /* of the device at hand */
static uint32_t bar; /* where its BAR 0 is */
static uint32_t places[6]; /* offset in BAR 0, by type of capability */
static uint16_t listed[8]; /* chains, by queue */
static int from_guest; /* standard output */
static int to_guest; /* standard input */

static inline uint32_t config_get(unsigned off, unsigned size)
{
	return pci_config_read_at(machine.vm.pci, bus, 0, off, size);
}

static inline uint64_t reg_get(unsigned type, uint64_t off, unsigned size)
{
	return bus_read(&machine.vm.mmio, bar + places[type] + off, size);
}

static inline void reg_put(unsigned type, uint64_t off, unsigned size, uint64_t value)
{
	bus_write(&machine.vm.mmio, bar + places[type] + off, size, value);
}

static inline uint64_t common_get(uint64_t field, unsigned size)
{
	return reg_get(VIRTIO_PCI_CAP_COMMON_CFG, field, size);
}

static inline void common_put(uint64_t field, unsigned size, uint64_t value)
{
	reg_put(VIRTIO_PCI_CAP_COMMON_CFG, field, size, value);
}

static inline void choose(unsigned device)
{
	bus = device;
	ck_assert_uint_eq(config_get(PCI_VENDOR_ID, 4), 0x10431af4);
	for (unsigned at = config_get(PCI_CAPABILITY_LIST, 1); at;
		at = config_get(at + PCI_CAP_LIST_NEXT, 1)) {
		if (config_get(at, 1) != PCI_CAP_ID_VNDR)
			continue;
		unsigned type = config_get(at + offsetof(struct virtio_pci_cap, cfg_type), 1);
		ck_assert_uint_lt(type, COUNT(places));
		places[type] = config_get(at + offsetof(struct virtio_pci_cap, offset), 4);
	}
	bar = config_get(PCI_BASE_ADDRESS_0, 4) & ~15u;
	pci_config_write_at(
		machine.vm.pci, bus, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static inline void stdio_replace(void)
{
	int in[2], out[2];

	ck_assert_int_eq(pipe(in), 0);
	ck_assert_int_eq(pipe(out), 0);
	ck_assert_int_eq(dup2(in[0], STDIN_FILENO), STDIN_FILENO);
	ck_assert_int_eq(dup2(out[1], STDOUT_FILENO), STDOUT_FILENO);
	(void)close(in[0]);
	(void)close(out[1]);
	to_guest = in[1];
	from_guest = out[0];
}

static inline void spec_prepare(void)
{
	spec = (struct machine_spec){.name = "console",
		.memory = MIB(16),
		.cpus = 1,
		.cmdline = "",
		.kernel.name = "plug",
		.initrd.fd = -1,
		.keeper_fd = -1,
		.calls_fd = -1,
		.orders_fd = -1,
		.interrupts_fd = -1,
		.console = CONSOLE_VIRTIO};
}

static inline void start(void)
{
	struct err e = {0};

	spec.kernel.fd = open(getenv("USHER_PLUG"), O_RDONLY | O_CLOEXEC);
	spec.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	stdio_replace();
	ck_assert_msg(machine_init(&machine, &machine_reduced, &spec, &e) == 0, "%s", e.msg);
}

static inline void finish(void)
{
	machine_fini(&machine);
	ck_assert_uint_eq(machine.vm.memory.count, 0);
}

static inline void accept_features(uint64_t features)
{
	common_put(COMMON(device_status), 1, 0);
	ck_assert_uint_eq(common_get(COMMON(device_status), 1), 0);
	common_put(COMMON(device_status), 1, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	for (unsigned half = 0; half < 2; half++) {
		common_put(COMMON(guest_feature_select), 4, half);
		common_put(COMMON(guest_feature), 4, (uint32_t)(features >> 32 * half));
	}
	common_put(COMMON(device_status), 1,
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
	ck_assert(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_FEATURES_OK);
}

static inline void set_up(uint64_t features)
{
	accept_features(features | BIT64(VIRTIO_F_VERSION_1));
	memset(listed, 0, sizeof(listed));
	for (unsigned n = 0; n < common_get(COMMON(num_queues), 2); n++) {
		ck_assert_uint_lt(n, COUNT(listed));
		ck_assert_int_eq(memory_fill(&machine.vm.memory, GPA(RINGS(n)), 0, KIB(12)), 0);
		common_put(COMMON(queue_select), 2, n);
		common_put(COMMON(queue_size), 2, SIZE);
		common_put(COMMON(queue_desc_lo), 8, RINGS(n));
		common_put(COMMON(queue_avail_lo), 8, RINGS(n) + KIB(4));
		common_put(COMMON(queue_used_lo), 8, RINGS(n) + KIB(8));
		common_put(COMMON(queue_enable), 2, 1);
	}
	common_put(COMMON(device_status), 1, GOING);
}

static inline void stop_loop(struct loop_source *s, uint32_t events)
{
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	loop_stop(&machine.vm.loop);
}

/* The main thread serves what has come, and what comes of that. */
static inline void serve(void)
{
	struct loop_source s = {.fd = eventfd(0, EFD_NONBLOCK), .ready = stop_loop};

	ck_assert_int_eq(loop_add(&machine.vm.loop, &s, NULL), 0);
	for (int i = 0; i < 6; i++) {
		(void)eventfd_write(s.fd, 1);
		ck_assert_int_eq(loop_run(&machine.vm.loop, NULL), 0);
		loop_restart(&machine.vm.loop);
	}
	loop_remove(&machine.vm.loop, &s);
	(void)close(s.fd);
}

static inline void memory_set(uint64_t at, const void *bytes, size_t len)
{
	ck_assert_int_eq(memory_write(&machine.vm.memory, GPA(at), bytes, len), 0);
}

static inline uint16_t used_count(unsigned n)
{
	uint16_t v;

	ck_assert_int_eq(memory_le16_get(&machine.vm.memory, GPA(RINGS(n) + KIB(8) + 2), &v), 0);
	return v;
}

/* How many bytes the device wrote to the last chain that it returned. @ret_head: of that. */
static inline uint32_t used_last(unsigned n, uint32_t *ret_head)
{
	const uint64_t at = RINGS(n) + KIB(8) + 4 + 8 * ((used_count(n) - 1u) % SIZE);
	uint32_t len;

	ck_assert_int_eq(memory_le32_get(&machine.vm.memory, GPA(at), ret_head), 0);
	ck_assert_int_eq(memory_le32_get(&machine.vm.memory, GPA(at + 4), &len), 0);
	return len;
}

static inline void descriptor_set(
	unsigned n, unsigned i, uint64_t at, uint32_t size, uint16_t flags)
{
	const struct vring_desc d = {at, size, flags, (uint16_t)((i + 1) % SIZE)};

	memory_set(RINGS(n) + 16 * i, &d, sizeof(d));
}

/* Lists the chain that begins with descriptor @i, and rings. */
static inline void chain_list(unsigned n, unsigned i)
{
	struct memory *m = &machine.vm.memory;
	const uint64_t at = RINGS(n) + KIB(4) + 4 + 2 * (listed[n] % SIZE);

	ck_assert_int_eq(memory_le16_put(m, GPA(at), (uint16_t)i), 0);
	ck_assert_int_eq(memory_le16_put(m, GPA(RINGS(n) + KIB(4) + 2), ++listed[n]), 0);
	reg_put(VIRTIO_PCI_CAP_NOTIFY_CFG, 4 * n, 2, n);
}

/* One chain of one descriptor. */
static inline void buffer_list(unsigned n, uint32_t size, bool in)
{
	const unsigned i = listed[n] % SIZE;

	descriptor_set(n, i, DATA(n) + STEP * i, size, in ? VRING_DESC_F_WRITE : 0);
	chain_list(n, i);
}

static inline void send_bytes(unsigned n, const void *bytes, size_t len)
{
	memory_set(DATA(n) + STEP * (listed[n] % SIZE), bytes, len);
	buffer_list(n, (uint32_t)len, false);
	serve();
}

static inline void send_text(unsigned n, const char *text)
{
	send_bytes(n, text, strlen(text));
}

static inline void control_send(uint32_t id, uint16_t event, uint16_t value)
{
	uint8_t message[8];

	le32_put(message, id);
	le16_put(message + 4, event);
	le16_put(message + 6, value);
	send_bytes(CONTROL_OUT, message, sizeof(message));
}

/* What the device has put into the last chain of queue @n. */
static inline const char *received(unsigned n)
{
	static char text[256];
	uint32_t head;

	const uint32_t len = used_last(n, &head);
	ck_assert_uint_lt(len, sizeof(text));
	ck_assert_int_eq(memory_read(&machine.vm.memory, GPA(DATA(n) + STEP * head), text, len), 0);
	text[len] = '\0';
	return text;
}

static inline const char *from(int fd)
{
	static char text[256];
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, 20000) <= 0)
		return "nothing";
	ssize_t len = read(fd, text, sizeof(text) - 1);
	text[len > 0 ? len : 0] = '\0';
	return text;
}

/* Skips all of it where KVM is not there. */
static inline int console_rig_run(const char *name, const TTest *const *tests, size_t count)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = fd < 0 ? -1 : ioctl(fd, KVM_CREATE_VM, 0);

	if (vm < 0) {
		(void)printf("1..0 # SKIP no KVM: %s\n", strerror(errno));
		return 0;
	}
	(void)close(vm);
	(void)close(fd);
	return suite_run(name, tests, count);
}

#endif
