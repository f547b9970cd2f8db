/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "blk_driver.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUS 1

struct machine machine;
struct machine_spec spec;
uint32_t places[6];
int image;
unsigned queue;
uint16_t listed[QUEUES];
static uint32_t bar; /* where BAR 0 is */

static uint32_t config_get(unsigned off, unsigned size)
{
	return pci_config_read_at(machine.vm.pci, BUS, 0, off, size);
}

uint64_t get(uint64_t off, unsigned size)
{
	return bus_read(&machine.vm.mmio, bar + off, size);
}

static void put(uint64_t off, unsigned size, uint64_t value)
{
	bus_write(&machine.vm.mmio, bar + off, size, value);
}

uint64_t common_get(uint64_t field, unsigned size)
{
	return get(places[VIRTIO_PCI_CAP_COMMON_CFG] + field, size);
}

void common_put(uint64_t field, unsigned size, uint64_t value)
{
	put(places[VIRTIO_PCI_CAP_COMMON_CFG] + field, size, value);
}

uint64_t disk_get(uint64_t field, unsigned size)
{
	return get(places[VIRTIO_PCI_CAP_DEVICE_CFG] + field, size);
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
	}
}

/* @fd: the disk's file, taken over. */
void start_on(bool by_ring, const struct blk_spec *disk, int fd)
{
	struct err e = {0};

	spec = (struct machine_spec){.name = "virtio",
		.memory = MIB(16),
		.cpus = 1,
		.cmdline = "",
		.kernel.name = "plug",
		.initrd.fd = -1,
		.keeper_fd = -1,
		.calls_fd = -1,
		.orders_fd = -1,
		.interrupts_fd = -1,
		.virtio_count = 1,
		.virtio = {{.type = VIRTIO_TYPE_BLK, .disk = *disk}}};
	image = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	spec.virtio[0].fd = fd;
	if (by_ring)
		virtio_prepare(&spec.virtio[0]);
	spec.kernel.fd = open(getenv("USHER_PLUG"), O_RDONLY | O_CLOEXEC);
	spec.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	(void)dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	ck_assert_msg(machine_init(&machine, &machine_reduced, &spec, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(config_get(PCI_VENDOR_ID, 4), 0x10421af4);
	find_places();
	bar = config_get(PCI_BASE_ADDRESS_0, 4) & ~15u;
	pci_config_write_at(
		machine.vm.pci, BUS, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

void start_one(bool by_ring, const struct blk_spec *disk)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	ck_assert_int_eq(ftruncate(fd, SIZE), 0);
	start_on(by_ring, disk, fd);
}

const struct blk_spec plain = {.size = SIZE,
	.logical = 512,
	.physical = 4096,
	.queues = 1,
	.serial = "exactly twenty chars"};

void start(bool by_ring, bool readonly)
{
	struct blk_spec disk = plain;

	disk.readonly = readonly;
	start_one(by_ring, &disk);
}

/* As a driver must: until the status reads 0, the device may be at work. */
void reset(void)
{
	common_put(COMMON(device_status), 1, 0);
	for (unsigned ms = 0; common_get(COMMON(device_status), 1); ms++) {
		ck_assert_uint_lt(ms, 20000);
		(void)usleep(1000);
	}
	memset(listed, 0, sizeof(listed));
}

uint64_t feature(unsigned bit)
{
	return UINT64_C(1) << bit;
}

static void queue_set_up(void)
{
	ck_assert_int_eq(memory_fill(&machine.vm.memory, GPA(RINGS), 0, KIB(12)), 0);
	common_put(COMMON(queue_select), 2, queue);
	common_put(COMMON(queue_size), 2, 16);
	common_put(COMMON(queue_desc_lo), 8, RINGS);
	common_put(COMMON(queue_avail_lo), 8, RINGS + KIB(4));
	common_put(COMMON(queue_used_lo), 8, RINGS + KIB(8));
	common_put(COMMON(queue_enable), 2, 1);
}

void set_up(uint64_t features)
{
	features |= feature(VIRTIO_F_VERSION_1);
	reset();
	common_put(COMMON(device_status), 1, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	for (unsigned half = 0; half < 2; half++) {
		common_put(COMMON(guest_feature_select), 4, half);
		common_put(COMMON(guest_feature), 4, (uint32_t)(features >> 32 * half));
	}
	common_put(COMMON(device_status), 1, GOING & ~VIRTIO_CONFIG_S_DRIVER_OK);
	for (queue = (unsigned)common_get(COMMON(num_queues), 2); queue--;)
		queue_set_up();
	queue = 0;
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

void ring(void)
{
	put(places[VIRTIO_PCI_CAP_NOTIFY_CFG] + 4 * queue, 2, queue);
	serve();
}

void chain_put(const struct part *parts, unsigned count)
{
	struct memory *m = &machine.vm.memory;

	for (unsigned i = 0; i < count; i++) {
		const struct vring_desc d = {parts[i].at, parts[i].size,
			(uint16_t)((parts[i].in ? VRING_DESC_F_WRITE : 0) |
				   (i + 1 < count ? VRING_DESC_F_NEXT : 0)),
			(uint16_t)(i + 1)};
		ck_assert_int_eq(memory_write(m, GPA(RINGS + 16 * i), &d, sizeof(d)), 0);
	}
	ck_assert_int_eq(
		memory_le16_put(m, GPA(RINGS + KIB(4) + 4 + 2 * (listed[queue] % 16)), 0), 0);
	ck_assert_int_eq(memory_le16_put(m, GPA(RINGS + KIB(4) + 2), ++listed[queue]), 0);
}

void chain_list(const struct part *parts, unsigned count)
{
	chain_put(parts, count);
	ring();
}

uint8_t byte_at(uint64_t at)
{
	uint8_t byte;

	ck_assert_int_eq(memory_read(&machine.vm.memory, GPA(at), &byte, 1), 0);
	return byte;
}

void header_put(uint32_t type, uint64_t sector)
{
	const struct virtio_blk_outhdr h = {.type = type, .sector = sector};

	ck_assert_int_eq(memory_write(&machine.vm.memory, GPA(HEADER), &h, sizeof(h)), 0);
	ck_assert_int_eq(memory_fill(&machine.vm.memory, GPA(STATUS), UNTOUCHED, 1), 0);
}

/* Return: the status of the chain that was listed last. */
uint8_t wait_for_status(void)
{
	uint16_t used = 0;

	for (unsigned ms = 0; used != listed[queue]; ms++) {
		ck_assert_int_eq(
			memory_le16_get(&machine.vm.memory, GPA(RINGS + KIB(8) + 2), &used), 0);
		ck_assert_uint_lt(ms, 20000);
		(void)usleep(1000);
	}
	return byte_at(STATUS);
}

/* A request as a driver makes it: header, data if there are any, status. */
uint8_t ask(uint32_t type, uint64_t sector, uint64_t at, uint32_t size)
{
	const bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct part parts[] = {{HEADER, sizeof(struct virtio_blk_outhdr), false}, {at, size, in},
		{STATUS, 1, true}};

	header_put(type, sector);
	if (!size)
		parts[1] = parts[2];
	chain_list(parts, size ? 3 : 2);
	return wait_for_status();
}

uint8_t ask_range(uint32_t type, uint64_t sector, uint32_t count, uint32_t flags)
{
	const struct virtio_blk_discard_write_zeroes r = {sector, count, flags};

	ck_assert_int_eq(memory_write(&machine.vm.memory, GPA(DATA), &r, sizeof(r)), 0);
	return ask(type, 0, DATA, sizeof(r));
}

bool image_has(uint64_t off, uint8_t byte, uint64_t size)
{
	uint8_t bytes[KIB(8)];

	ck_assert_int_eq(pread(image, bytes, size, (off_t)off), (ssize_t)size);
	for (uint64_t i = 0; i < size; i++)
		if (bytes[i] != byte)
			return false;
	return true;
}

void finish(void)
{
	machine_fini(&machine);
	ck_assert_uint_eq(machine.vm.memory.count, 0);
	ck_assert_uint_eq(machine.vm.transfers, 0);
	(void)close(image);
}
