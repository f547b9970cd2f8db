/* SPDX-License-Identifier: MIT */
/*
 * A virtio-blk behind its registers, on a file. The driver is this test: it sets the device up as a
 * guest does, and then asks for what no disk has. All of it once by io_uring, once by workers.
 */
#include "blk_driver.h"
#include "vmm/virtio/pci.h"

#include <glob.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void expect_a_disk(void)
{
	char id[21] = "";

	ck_assert_uint_eq(disk_get(offsetof(struct virtio_blk_config, capacity), 8), SIZE / 512);
	ck_assert_uint_eq(disk_get(offsetof(struct virtio_blk_config, blk_size), 4), 512);
	ck_assert_uint_eq(disk_get(offsetof(struct virtio_blk_config, physical_block_exp), 1), 3);
	set_up(BIT64(VIRTIO_BLK_F_FLUSH));
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

static unsigned disk_threads(void)
{
	unsigned count = 0;
	glob_t names;

	ck_assert_int_eq(glob("/proc/self/task/*/comm", 0, NULL, &names), 0);
	for (size_t i = 0; i < names.gl_pathc; i++) {
		char name[16] = "";
		FILE *f = fopen(names.gl_pathv[i], "re");
		if (!f)
			continue; /* the thread has ended */
		if (fgets(name, sizeof(name), f))
			count += strcmp(name, "virtio-blk\n") == 0;
		(void)fclose(f);
	}
	globfree(&names);
	return count;
}

START_TEST(a_disk_that_no_driver_uses_has_no_thread)
{
	start(true, false);
	ck_assert_uint_eq(disk_threads(), 0);
	finish();
	start(true, false);
	for (unsigned n = 0; n < 2; n++) {
		set_up(0);
		ck_assert_uint_eq(ask(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
		ck_assert_uint_eq(disk_threads(), 1);
		reset();
	}
	finish();
}
END_TEST

START_TEST(a_readonly_disk_is_not_written)
{
	for (unsigned by_ring = 0; by_ring < 2; by_ring++) {
		start(by_ring, true);
		set_up(BIT64(VIRTIO_BLK_F_RO));
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
	ck_assert_uint_eq(used_index(queue), 0);
	set_up(0);
	ck_assert_uint_eq(ask(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
	finish();
}
END_TEST

/* A queue alone: the device goes on. */
START_TEST(a_reset_of_a_queue_waits_for_what_is_on_its_way)
{
	const struct part parts[] = {{HEADER, 16, false}, {DATA, 512, true}, {STATUS, 1, true}};
	struct blk_spec disk = plain;

	disk.queues = 2;
	start_one(false, &disk);
	set_up(BIT64(VIRTIO_F_RING_RESET) | BIT64(VIRTIO_BLK_F_MQ));
	__atomic_store_n(&held, true, __ATOMIC_SEQ_CST);
	header_put(VIRTIO_BLK_T_IN, 0);
	chain_list(parts, COUNT(parts));
	while (!__atomic_load_n(&holding, __ATOMIC_SEQ_CST))
		(void)usleep(100);
	queue_reset(1);
	ck_assert(!queue_is_resetting(1));
	queue_reset(0);
	ck_assert(queue_is_resetting(0));
	/* Until then it is not turned on. */
	common_put(COMMON(queue_enable), 2, 1);
	ck_assert_uint_eq(common_get(COMMON(queue_enable), 2), 0);
	__atomic_store_n(&held, false, __ATOMIC_SEQ_CST);
	while (queue_is_resetting(0))
		(void)usleep(100);
	ck_assert_uint_eq(machine.vm.transfers, 0);
	ck_assert_uint_eq(byte_at(STATUS), UNTOUCHED);
	ck_assert_uint_eq(used_index(0), 0);
	ck_assert_uint_eq(common_get(COMMON(device_status), 1), GOING);
	for (queue = 0; queue < 2; queue++) {
		queue_place(queue);
		queue_enable(queue);
		ck_assert_uint_eq(ask(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
	}
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
			set_up(BIT64(VIRTIO_BLK_F_MQ) | BIT64(VIRTIO_BLK_F_FLUSH));
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
	ck_assert(!(common_get(COMMON(device_feature), 4) & BIT64(VIRTIO_BLK_F_MQ)));
	finish();
}
END_TEST

/* Whether a request is served for which nobody rang, soon after another one. @plenty: of time. */
static bool is_polled(bool plenty)
{
	const struct part parts[] = {{HEADER, 16, false}, {DATA, 512, true}, {STATUS, 1, true}};
	bool polled = false;

	ck_assert_uint_eq(ask(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
	/* A thread that does not poll sleeps by then. */
	(void)usleep(200);
	header_put(VIRTIO_BLK_T_IN, 0);
	chain_put(parts, COUNT(parts));
	for (unsigned i = 0; !polled && i < (plenty ? 100000 : 50); i++) {
		(void)usleep(100);
		polled = used_index(queue) == listed[queue];
	}
	ring(queue);
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
	set_up(BIT64(VIRTIO_BLK_F_FLUSH));
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

/* Whoever serves it, and over resets. */
START_TEST(counts_what_it_returned)
{
	for (unsigned by_ring = 0; by_ring < 2; by_ring++) {
		start(by_ring, false);
		struct virtio_device *d = machine.vm.virtio->device;
		for (unsigned times = 1; times <= 2; times++) {
			set_up(BIT64(VIRTIO_BLK_F_FLUSH));
			for (unsigned i = 0; i < 3; i++)
				ck_assert_uint_eq(
					ask(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
			lock_take(d->lock);
			ck_assert_uint_eq(d->counts[0].chains, 3 * times);
			ck_assert_uint_eq(d->counts[0].interrupts, 3 * times);
			lock_drop(d->lock);
		}
		finish();
	}
}
END_TEST

RIG_SUITE("virtio_blk", a_disk_that_no_driver_uses_has_no_thread, serves_and_refuses_by_workers,
	serves_and_refuses_by_io_uring, a_readonly_disk_is_not_written,
	a_reset_waits_for_what_is_on_its_way, a_reset_of_a_queue_waits_for_what_is_on_its_way,
	several_queues, one_queue_has_no_feature, a_disk_that_polls, counts_what_it_returned)
