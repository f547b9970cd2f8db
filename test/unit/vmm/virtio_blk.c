/* SPDX-License-Identifier: MIT */
/*
 * A virtio-blk behind its registers, on a file. The driver is this test: it sets the device up as a
 * guest does, and then asks for what no disk has. All of it once by io_uring, once by workers.
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
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define QUEUES 4
/* In guest memory, of the queue: descriptors, and a page further each, the other two. */
#define RINGS (MIB(8) + queue * KIB(12))
#define HEADER (MIB(8) + KIB(64))
#define DATA (MIB(8) + KIB(128))
#define STATUS (MIB(8) + KIB(68))
#define BUS 1
#define SIZE MIB(1) /* of the disk */
#define GOING                                                                                 \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK)
#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)
#define UNTOUCHED 0xee

static struct machine machine;
static struct machine_spec spec;
static uint32_t bar; /* where BAR 0 is */
static uint32_t places[6]; /* offset in BAR 0, by type of capability */
static int image; /* the disk's file, ours */
static unsigned queue; /* that the driver uses now */
static uint16_t listed[QUEUES]; /* chains so far */

static uint32_t config_get(unsigned off, unsigned size)
{
	return pci_config_read_at(machine.vm.pci, BUS, 0, off, size);
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

static uint64_t disk_get(uint64_t field, unsigned size)
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

static void start_one(bool by_ring, const struct blk_spec *disk)
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
	image = memfd_create("image", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(image, SIZE), 0);
	spec.virtio[0].fd = fcntl(image, F_DUPFD_CLOEXEC, 0);
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

static const struct blk_spec plain = {.size = SIZE,
	.logical = 512,
	.physical = 4096,
	.queues = 1,
	.serial = "exactly twenty chars"};

static void start(bool by_ring, bool readonly)
{
	struct blk_spec disk = plain;

	disk.readonly = readonly;
	start_one(by_ring, &disk);
}

/* As a driver must: until the status reads 0, the device may be at work. */
static void reset(void)
{
	common_put(COMMON(device_status), 1, 0);
	for (unsigned ms = 0; common_get(COMMON(device_status), 1); ms++) {
		ck_assert_uint_lt(ms, 20000);
		(void)usleep(1000);
	}
	memset(listed, 0, sizeof(listed));
}

static uint64_t feature(unsigned bit)
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

static void set_up(uint64_t features)
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

/* One part of a chain. */
struct part {
	uint64_t at;
	uint32_t size;
	bool in;
};

static void ring(void)
{
	put(places[VIRTIO_PCI_CAP_NOTIFY_CFG] + 4 * queue, 2, queue);
	serve();
}

static void chain_put(const struct part *parts, unsigned count)
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

static void chain_list(const struct part *parts, unsigned count)
{
	chain_put(parts, count);
	ring();
}

static uint8_t byte_at(uint64_t at)
{
	uint8_t byte;

	ck_assert_int_eq(memory_read(&machine.vm.memory, GPA(at), &byte, 1), 0);
	return byte;
}

static void header_put(uint32_t type, uint64_t sector)
{
	const struct virtio_blk_outhdr h = {.type = type, .sector = sector};

	ck_assert_int_eq(memory_write(&machine.vm.memory, GPA(HEADER), &h, sizeof(h)), 0);
	ck_assert_int_eq(memory_fill(&machine.vm.memory, GPA(STATUS), UNTOUCHED, 1), 0);
}

/* Return: the status of the chain that was listed last. */
static uint8_t wait_for_status(void)
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
static uint8_t ask(uint32_t type, uint64_t sector, uint64_t at, uint32_t size)
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

static uint8_t ask_range(uint32_t type, uint64_t sector, uint32_t count, uint32_t flags)
{
	const struct virtio_blk_discard_write_zeroes r = {sector, count, flags};

	ck_assert_int_eq(memory_write(&machine.vm.memory, GPA(DATA), &r, sizeof(r)), 0);
	return ask(type, 0, DATA, sizeof(r));
}

static bool image_has(uint64_t off, uint8_t byte, uint64_t size)
{
	uint8_t bytes[KIB(8)];

	ck_assert_int_eq(pread(image, bytes, size, (off_t)off), (ssize_t)size);
	for (uint64_t i = 0; i < size; i++)
		if (bytes[i] != byte)
			return false;
	return true;
}

static void finish(void)
{
	machine_fini(&machine);
	ck_assert_uint_eq(machine.vm.memory.count, 0);
	ck_assert_uint_eq(machine.vm.transfers, 0);
	(void)close(image);
}

static void expect_a_disk(void)
{
	char id[21] = "";

	ck_assert_uint_eq(disk_get(offsetof(struct virtio_blk_config, capacity), 8), SIZE / 512);
	ck_assert_uint_eq(disk_get(offsetof(struct virtio_blk_config, blk_size), 4), 512);
	ck_assert_uint_eq(disk_get(offsetof(struct virtio_blk_config, physical_block_exp), 1), 3);
	set_up(feature(VIRTIO_BLK_F_FLUSH));
	ck_assert_int_eq(memory_fill(&machine.vm.memory, GPA(DATA), 0x5a, KIB(8)), 0);
	ck_assert_uint_eq(ask(VIRTIO_BLK_T_OUT, 3, DATA, KIB(8)), VIRTIO_BLK_S_OK);
	ck_assert(image_has(3 * 512, 0x5a, KIB(8)));
	ck_assert(image_has(0, 0, 3 * 512) && image_has(3 * 512 + KIB(8), 0, 512));
	ck_assert_uint_eq(ask(VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_OK);
	/* The last sector, into memory of no alignment. */
	ck_assert_int_eq(pwrite(image, "end", 3, SIZE - 3), 3);
	ck_assert_uint_eq(ask(VIRTIO_BLK_T_IN, SIZE / 512 - 1, DATA + 1, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(byte_at(DATA + 512), 'd');
	ck_assert_uint_eq(byte_at(DATA), 0x5a);
	ck_assert_uint_eq(byte_at(DATA + 513), 0x5a);
	ck_assert_uint_eq(ask(VIRTIO_BLK_T_GET_ID, 0, DATA, 20), VIRTIO_BLK_S_OK);
	ck_assert_int_eq(memory_read(&machine.vm.memory, GPA(DATA), id, 20), 0);
	ck_assert_str_eq(id, "exactly twenty chars");
}

static void expect_ranges(void)
{
	ck_assert_uint_eq(ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 4, 2, 0), VIRTIO_BLK_S_OK);
	ck_assert(image_has(4 * 512, 0, KIB(1)) && image_has(3 * 512, 0x5a, 512));
	ck_assert_uint_eq(ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 1), VIRTIO_BLK_S_OK);
	ck_assert(image_has(8 * 512, 0, KIB(4)));
	ck_assert_uint_eq(ask_range(VIRTIO_BLK_T_DISCARD, 8, 8, 0), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(ask_range(VIRTIO_BLK_T_DISCARD, 0, 1, 1), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 2), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(ask_range(VIRTIO_BLK_T_DISCARD, SIZE / 512, 1, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(ask_range(VIRTIO_BLK_T_DISCARD, UINT64_MAX, 2, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(ask(VIRTIO_BLK_T_DISCARD, 0, DATA, 15), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(ask(VIRTIO_BLK_T_DISCARD, 0, DATA, 16 * 17), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(ask(VIRTIO_BLK_T_DISCARD, 0, 0, 0), VIRTIO_BLK_S_IOERR);
}

/* Nothing of it reaches the disk, and each is answered. */
static void expect_refusals(void)
{
	static const struct {
		uint32_t type;
		uint64_t sector, at;
		uint32_t size;
		uint8_t status;
	} wrong[] = {
		{VIRTIO_BLK_T_OUT, SIZE / 512, DATA, 512, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_OUT, SIZE / 512 - 1, DATA, 1024, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_OUT, UINT64_MAX, DATA, 512, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_OUT, UINT64_C(1) << 55, DATA, 512, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_OUT, 0, DATA, 511, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_OUT, 0, MIB(16) - 256, 512, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_IN, 0, UINT64_MAX - 255, 512, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_IN, 0, DATA, MIB(2), VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_OUT, 0, DATA, 0, VIRTIO_BLK_S_OK},
		{VIRTIO_BLK_T_SCSI_CMD, 0, DATA, 512, VIRTIO_BLK_S_UNSUPP},
		{0xffffffff, 0, DATA, 512, VIRTIO_BLK_S_UNSUPP},
	};

	ck_assert_int_eq(memory_fill(&machine.vm.memory, GPA(DATA), 0xff, KIB(8)), 0);
	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(ask(wrong[i].type, wrong[i].sector, wrong[i].at, wrong[i].size) ==
				      wrong[i].status,
			"request %zu: status %u", i, byte_at(STATUS));
	ck_assert(image_has(0, 0, 3 * 512));
	ck_assert_int_eq(pread(image, (char[1]){0}, 1, SIZE), 0);
}

/* Chains that are no request: without room for a status, or without a header. */
static void expect_silence(void)
{
	const struct part no_status[] = {{HEADER, 16, false}};
	const struct part no_header[] = {{STATUS, 1, true}};
	const struct part half_header[] = {{HEADER, 8, false}, {STATUS, 1, true}};

	header_put(VIRTIO_BLK_T_OUT, 0);
	chain_list(no_status, COUNT(no_status));
	ck_assert_uint_eq(wait_for_status(), UNTOUCHED);
	chain_list(no_header, COUNT(no_header));
	ck_assert_uint_eq(wait_for_status(), VIRTIO_BLK_S_IOERR);
	header_put(VIRTIO_BLK_T_OUT, 0);
	chain_list(half_header, COUNT(half_header));
	ck_assert_uint_eq(wait_for_status(), VIRTIO_BLK_S_IOERR);
}

/* [ns] of this process */
static uint64_t cpu_time(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A disk without requests costs nothing. */
static void expect_rest(void)
{
	const uint64_t before = cpu_time();

	(void)usleep(300000);
	ck_assert_uint_lt(cpu_time() - before, 100000000);
}

static void expect_all(bool by_ring)
{
	start(by_ring, false);
	expect_a_disk();
	expect_rest();
	expect_ranges();
	expect_refusals();
	expect_silence();
	finish();
}

START_TEST(serves_and_refuses_by_workers)
{
	expect_all(false);
}
END_TEST

START_TEST(serves_and_refuses_by_io_uring)
{
	expect_all(true);
	ck_assert_msg(spec.virtio[0].ring.map != NULL, "this kernel has no io_uring for us");
}
END_TEST

START_TEST(a_readonly_disk_is_not_written)
{
	for (unsigned by_ring = 0; by_ring < 2; by_ring++) {
		start(by_ring, true);
		set_up(feature(VIRTIO_BLK_F_RO));
		ck_assert_int_eq(memory_fill(&machine.vm.memory, GPA(DATA), 0xff, 512), 0);
		ck_assert_uint_eq(ask(VIRTIO_BLK_T_OUT, 0, DATA, 512), VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(
			ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0), VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(ask_range(VIRTIO_BLK_T_DISCARD, 0, 1, 0), VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(ask(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
		ck_assert(image_has(0, 0, 512));
		finish();
	}
}
END_TEST

/* The kernel takes its time: as long as `held` is set. */
static bool held; /* atomic */
static unsigned holding; /* atomic */

ssize_t __real_preadv64(int fd, const struct iovec *iov, int count, off_t off);
ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int count, off_t off);
ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int count, off_t off)
{
	(void)__atomic_add_fetch(&holding, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&held, __ATOMIC_SEQ_CST))
		(void)usleep(100);
	(void)__atomic_sub_fetch(&holding, 1, __ATOMIC_SEQ_CST);
	return __real_preadv64(fd, iov, count, off);
}

START_TEST(a_reset_waits_for_what_is_on_its_way)
{
	const struct part parts[] = {{HEADER, 16, false}, {DATA, 512, true}, {STATUS, 1, true}};
	uint16_t used;

	start(false, false);
	set_up(0);
	__atomic_store_n(&held, true, __ATOMIC_SEQ_CST);
	header_put(VIRTIO_BLK_T_IN, 0);
	chain_list(parts, COUNT(parts));
	while (!__atomic_load_n(&holding, __ATOMIC_SEQ_CST))
		(void)usleep(100);
	common_put(COMMON(device_status), 1, 0);
	ck_assert_uint_ne(common_get(COMMON(device_status), 1), 0);
	ck_assert_uint_eq(machine.vm.transfers, 1);
	/* Until then nobody is listened to. */
	common_put(COMMON(device_status), 1, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	ck_assert_uint_ne(common_get(COMMON(device_status), 1), VIRTIO_CONFIG_S_ACKNOWLEDGE);
	__atomic_store_n(&held, false, __ATOMIC_SEQ_CST);
	reset();
	ck_assert_uint_eq(machine.vm.transfers, 0);
	ck_assert_uint_eq(byte_at(STATUS), UNTOUCHED);
	ck_assert_int_eq(memory_le16_get(&machine.vm.memory, GPA(RINGS + KIB(8) + 2), &used), 0);
	ck_assert_uint_eq(used, 0);
	set_up(0);
	ck_assert_uint_eq(ask(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
	finish();
}
END_TEST

/* Each queue has its own rings; a reset ends all of them. */
START_TEST(several_queues)
{
	struct blk_spec disk = plain;

	disk.queues = QUEUES;
	for (unsigned by_ring = 0; by_ring < 2; by_ring++) {
		start_one(by_ring, &disk);
		ck_assert_uint_eq(common_get(COMMON(num_queues), 2), QUEUES);
		ck_assert_uint_eq(
			disk_get(offsetof(struct virtio_blk_config, num_queues), 2), QUEUES);
		for (unsigned times = 0; times < 2; times++) {
			set_up(feature(VIRTIO_BLK_F_MQ) | feature(VIRTIO_BLK_F_FLUSH));
			for (unsigned i = 0; i < 3 * QUEUES; i++) {
				queue = i * 3 % QUEUES;
				ck_assert_int_eq(memory_fill(&machine.vm.memory, GPA(DATA),
							 (uint8_t)(i + 1), 512),
					0);
				ck_assert_uint_eq(
					ask(VIRTIO_BLK_T_OUT, i, DATA, 512), VIRTIO_BLK_S_OK);
				ck_assert(image_has(i * 512, (uint8_t)(i + 1), 512));
			}
			expect_rest();
		}
		finish();
	}
}
END_TEST

/* A driver of one queue does not ask for more. */
START_TEST(one_queue_has_no_feature)
{
	start(false, false);
	common_put(COMMON(device_feature_select), 4, 0);
	ck_assert(!(common_get(COMMON(device_feature), 4) & feature(VIRTIO_BLK_F_MQ)));
	finish();
}
END_TEST

/* Whether a request is served for which nobody rang, soon after another one. @plenty: of time. */
static bool is_polled(bool plenty)
{
	const struct part parts[] = {{HEADER, 16, false}, {DATA, 512, true}, {STATUS, 1, true}};
	uint16_t used = 0;

	ck_assert_uint_eq(ask(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
	/* A thread that does not poll sleeps by then. */
	(void)usleep(200);
	header_put(VIRTIO_BLK_T_IN, 0);
	chain_put(parts, COUNT(parts));
	for (unsigned i = 0; used != listed[queue] && i < (plenty ? 100000 : 50); i++) {
		(void)usleep(100);
		ck_assert_int_eq(
			memory_le16_get(&machine.vm.memory, GPA(RINGS + KIB(8) + 2), &used), 0);
	}
	const bool polled = used == listed[queue];
	ring();
	ck_assert_uint_eq(wait_for_status(), VIRTIO_BLK_S_OK);
	return polled;
}

START_TEST(a_disk_that_polls)
{
	struct blk_spec disk = plain;
	unsigned tries = 0;

	/* On a busy machine this test may come late. */
	disk.poll_ns = UINT64_C(3600000000000);
	start_one(true, &disk);
	set_up(feature(VIRTIO_BLK_F_FLUSH));
	for (unsigned i = 0; i < 5; i++)
		ck_assert(is_polled(true));
	expect_a_disk();
	finish();
	disk.poll_ns = BLK_POLL_NS;
	start_one(true, &disk);
	expect_a_disk();
	expect_rest();
	finish();
	/* A thread that does not poll may still be awake, but not each time. */
	start(true, false);
	set_up(0);
	while (is_polled(false))
		ck_assert_uint_lt(++tries, 1000);
	finish();
}
END_TEST

SUITE("virtio_blk", serves_and_refuses_by_workers, serves_and_refuses_by_io_uring,
	a_readonly_disk_is_not_written, a_reset_waits_for_what_is_on_its_way, several_queues,
	one_queue_has_no_feature, a_disk_that_polls)
