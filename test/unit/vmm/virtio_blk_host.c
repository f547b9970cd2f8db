/* SPDX-License-Identifier: MIT */
/* A virtio-blk whose file changes on the host: it grows, shrinks, is full, does not answer. */
#include "base/log.h"
#include "blk_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct {
	struct disk_resized resized;
	int result;
	uint64_t size;
	bool done; /* atomic */
} answer;

static void answer_take(struct disk_resized *r, int result, uint64_t size)
{
	answer.result = result;
	answer.size = size;
	__atomic_store_n(&answer.done, true, __ATOMIC_SEQ_CST);
}

/* Return: as virtio_disk_resize() says. */
static int resize(uint64_t wanted)
{
	answer.resized.tell = answer_take;
	answer.done = false;
	ck_assert_int_eq(virtio_disk_resize(&machine.vm, 0, wanted, &answer.resized), 0);
	for (unsigned ms = 0; !__atomic_load_n(&answer.done, __ATOMIC_SEQ_CST); ms++) {
		ck_assert_uint_lt(ms, 20000);
		(void)usleep(1000);
	}
	return answer.result;
}

static void expect_size(uint64_t size)
{
	ck_assert_uint_eq(answer.size, size);
	ck_assert_uint_eq(disk_get(offsetof(struct virtio_blk_config, capacity), 8), size / 512);
}

/* The driver learns of it by the generation of the configuration, and an interrupt. */
START_TEST(a_disk_is_resized)
{
	for (unsigned by_ring = 0; by_ring < 2; by_ring++) {
		start(by_ring, false);
		set_up(BIT64(VIRTIO_BLK_F_FLUSH));
		const uint64_t generation = common_get(COMMON(config_generation), 1);
		ck_assert_uint_eq(ask(VIRTIO_BLK_T_OUT, SIZE / 512, DATA, 512), VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_ISR_CFG, 0, 1) & 2, 0);
		/* Grown by somebody else, and not by whole sectors. */
		ck_assert_int_eq(ftruncate(image, SIZE + 1023), 0);
		ck_assert_int_eq(resize(0), 0);
		expect_size(SIZE + 512);
		ck_assert_uint_ne(common_get(COMMON(config_generation), 1), generation);
		ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_ISR_CFG, 0, 1) & 2, 2);
		ck_assert_uint_eq(ask(VIRTIO_BLK_T_OUT, SIZE / 512, DATA, 512), VIRTIO_BLK_S_OK);
		ck_assert_int_eq(resize(2 * SIZE), 0);
		expect_size(2 * SIZE);
		ck_assert_int_eq(lseek(image, 0, SEEK_END), 2 * SIZE);
		/* Nothing changes: the driver is left alone. */
		(void)reg_get(VIRTIO_PCI_CAP_ISR_CFG, 0, 1);
		ck_assert_int_eq(resize(2 * SIZE), 0);
		ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_ISR_CFG, 0, 1) & 2, 0);
		ck_assert_int_eq(resize(SIZE), -ERANGE);
		ck_assert_int_eq(lseek(image, 0, SEEK_END), 2 * SIZE);
		ck_assert_int_eq(virtio_disk_resize(&machine.vm, 1, 0, &answer.resized), -ENODEV);
		ck_assert_int_eq(virtio_disk_resize(&machine.vm, 99, 0, &answer.resized), -ENODEV);
		finish();
		ck_assert_ptr_null(machine.vm.disks.of[0]);
	}
}
END_TEST

/* What was cut off reads as an error, and is written again. */
START_TEST(an_image_that_was_cut_off)
{
	for (unsigned by_ring = 0; by_ring < 2; by_ring++) {
		start(by_ring, false);
		set_up(BIT64(VIRTIO_BLK_F_FLUSH));
		ck_assert_int_eq(ftruncate(image, 1024 + 256), 0);
		ck_assert_uint_eq(ask(VIRTIO_BLK_T_IN, 0, DATA, 1024), VIRTIO_BLK_S_OK);
		ck_assert_uint_eq(ask(VIRTIO_BLK_T_IN, 1, DATA, 1024), VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(ask(VIRTIO_BLK_T_IN, 100, DATA, 512), VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(ask(VIRTIO_BLK_T_OUT, 100, DATA, 512), VIRTIO_BLK_S_OK);
		ck_assert_uint_eq(ask(VIRTIO_BLK_T_IN, 100, DATA, 512), VIRTIO_BLK_S_OK);
		finish();
	}
}
END_TEST

static unsigned lines; /* of the log, about a disk; atomic */

static void line_count(void *ctx, const char *text, size_t len)
{
	if (memmem(text, len, "write to 'an image': No space left on device", 44))
		(void)__atomic_add_fetch(&lines, 1, __ATOMIC_SEQ_CST);
}

/* A host that is full: the guest hears of each request, the log once. */
START_TEST(a_full_host_is_told_once)
{
	struct blk_spec disk = plain;

	disk.name = "an image";
	for (unsigned by_ring = 0; by_ring < 2; by_ring++) {
		start_on(by_ring, &disk, open("/dev/full", O_RDWR | O_CLOEXEC));
		set_up(BIT64(VIRTIO_BLK_F_FLUSH));
		log_set_output(line_count, NULL);
		lines = 0;
		for (unsigned i = 0; i < 20; i++)
			ck_assert_uint_eq(ask(VIRTIO_BLK_T_OUT, i, DATA, 512), VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(__atomic_load_n(&lines, __ATOMIC_SEQ_CST), 1);
		/* A guest that resets its disk over and over fills no log. */
		for (unsigned i = 0; i < 20; i++) {
			set_up(BIT64(VIRTIO_BLK_F_FLUSH));
			ck_assert_uint_eq(ask(VIRTIO_BLK_T_OUT, i, DATA, 512), VIRTIO_BLK_S_IOERR);
		}
		ck_assert_uint_le(__atomic_load_n(&lines, __ATOMIC_SEQ_CST), LOG_GUEST_LINES);
		finish();
		log_set_output(NULL, NULL);
	}
}
END_TEST

/* A pipe has data when this test writes some: until then the kernel has the request. */
START_TEST(a_reset_waits_for_the_io_uring)
{
	const struct part parts[] = {{HEADER, 16, false}, {DATA, 512, true}, {STATUS, 1, true}};
	static const char bytes[512] = "late";
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	start_on(true, &plain, ends[0]);
	set_up(0);
	header_put(VIRTIO_BLK_T_IN, 0);
	chain_list(parts, COUNT(parts));
	for (unsigned ms = 0; !machine.vm.transfers; ms++) {
		ck_assert_uint_lt(ms, 20000);
		(void)usleep(1000);
	}
	(void)usleep(20000);
	common_put(COMMON(device_status), 1, 0);
	ck_assert_uint_ne(common_get(COMMON(device_status), 1), 0);
	ck_assert_uint_eq(machine.vm.transfers, 1);
	ck_assert_int_eq(write(ends[1], bytes, sizeof(bytes)), sizeof(bytes));
	reset();
	ck_assert_uint_eq(machine.vm.transfers, 0);
	ck_assert_uint_eq(byte_at(STATUS), UNTOUCHED);
	ck_assert_uint_eq(used_index(queue), 0);
	/* The next driver has its own answer, and not that one. */
	set_up(0);
	ck_assert_int_eq(write(ends[1], bytes, sizeof(bytes)), sizeof(bytes));
	ck_assert_uint_eq(ask(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
	finish();
	(void)close(ends[1]);
}
END_TEST

RIG_SUITE("virtio_blk_host", a_disk_is_resized, an_image_that_was_cut_off, a_full_host_is_told_once,
	a_reset_waits_for_the_io_uring)
