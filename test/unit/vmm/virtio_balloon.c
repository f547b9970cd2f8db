/* SPDX-License-Identifier: MIT */
/* A memory balloon: the driver is this test, and looks at which pages the host has left. */
#include "virtio_rig.h"
#include "vmm/virtio/balloon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_balloon.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define INFLATE 0
#define DEFLATE 1
#define REPORT 2
#define NUMBERS MIB(1) /* where the driver lists numbers of pages */
#define PAGES MIB(2) /* and those that it gives back */
#define PAGE 4096
#define CONFIG(field) offsetof(struct virtio_balloon_config, field)
#define FEATURES                                                         \
	(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_BALLOON_F_REPORTING) | \
		BIT64(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) | BIT64(VIRTIO_BALLOON_F_PAGE_POISON))

static void start(enum memory_backing backing)
{
	machine_describe("balloon");
	spec.backing = backing;
	spec.virtio_count = 1;
	spec.virtio[0] = (struct virtio_spec){.type = VIRTIO_TYPE_BALLOON, .fd = -1};
	(void)dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	machine_start();
	device_choose(1, VIRTIO_TYPE_BALLOON);
	ck_assert_uint_eq(features_offered() & FEATURES, FEATURES);
	features_accept(FEATURES);
	for (unsigned n = 0; n < 3; n++) {
		queue_place(n);
		queue_enable(n);
	}
	driver_go();
	ck_assert_int_eq(memory_fill(&machine.vm.memory, GPA(PAGES), 0xee, MIB(2)), 0);
}

static void list_and_wait(unsigned n, uint64_t at, uint32_t size, unsigned flags)
{
	const unsigned i = listed[n] % RING_SIZE;

	descriptor_put(n, i, at, size, flags, 0);
	head_list(n, i);
	ring(n);
	used_await(n, listed[n]);
}

static void inflate(const uint32_t *numbers, unsigned count)
{
	memory_put(NUMBERS, numbers, count * sizeof(numbers[0]));
	list_and_wait(INFLATE, NUMBERS, (uint32_t)(count * sizeof(numbers[0])), 0);
}

/* Whether the host has that page: without touching it. */
static bool is_there(uint64_t page)
{
	unsigned char there = 0;
	char *at = (char *)memory_ram(&machine.vm.memory, GPA(page), PAGE);

	ck_assert_int_eq(mincore(at, PAGE, &there), 0);
	return there & 1;
}

static uint64_t returned(void)
{
	return virtio_balloon_look(&machine.vm).returned;
}

static void gives_pages_back(enum memory_backing backing)
{
	const uint32_t first = PAGES / PAGE;
	const uint32_t numbers[] = {first, first + 1, first + 2, first + 7, first + 9};

	start(backing);
	inflate(numbers, COUNT(numbers));
	for (uint32_t i = 0; i < 12; i++) {
		const bool given = i < 3 || i == 7 || i == 9;
		ck_assert_msg(is_there(PAGES + i * PAGE) == !given, "page %u", i);
	}
	ck_assert_uint_eq(returned(), COUNT(numbers) * PAGE);
	/* Zeroes are there when it is touched, and its neighbours are as they were. */
	ck_assert_uint_eq(byte_at(PAGES + PAGE), 0);
	ck_assert_uint_eq(byte_at(PAGES + 3 * PAGE), 0xee);
	memory_put(NUMBERS, numbers, sizeof(numbers));
	list_and_wait(DEFLATE, NUMBERS, sizeof(numbers), 0);
	ck_assert_uint_eq(returned(), COUNT(numbers) * PAGE);
	machine_finish();
}

START_TEST(gives_back_what_the_guest_lists)
{
	gives_pages_back(MEMORY_PRIVATE);
	gives_pages_back(MEMORY_SHARED);
}
END_TEST

/* A report is the pages themselves; parts of pages stay. */
START_TEST(gives_back_what_nobody_uses)
{
	start(MEMORY_PRIVATE);
	list_and_wait(REPORT, PAGES, 8 * PAGE, VRING_DESC_F_WRITE);
	ck_assert_uint_eq(returned(), 8 * PAGE);
	list_and_wait(REPORT, PAGES + 16 * PAGE + 512, 3 * PAGE, VRING_DESC_F_WRITE);
	ck_assert_uint_eq(returned(), 10 * PAGE);
	ck_assert_uint_eq(byte_at(PAGES + 16 * PAGE + 1024), 0xee);
	ck_assert_uint_eq(byte_at(PAGES + 19 * PAGE + 100), 0xee);
	/* A guest that poisons free pages finds its poison. */
	reg_put(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(poison_val), 4, 0xaaaaaaaa);
	list_and_wait(REPORT, PAGES + 32 * PAGE, 8 * PAGE, VRING_DESC_F_WRITE);
	ck_assert_uint_eq(returned(), 10 * PAGE);
	ck_assert_uint_eq(byte_at(PAGES + 32 * PAGE), 0xee);
	machine_finish();
}
END_TEST

/* Outside of RAM, twice, the rings themselves, too many: nothing of the host is touched. */
START_TEST(a_hostile_driver_hurts_itself)
{
	const uint32_t first = PAGES / PAGE;
	const uint32_t wild[] = {UINT32_MAX, UINT32_MAX - 1, 0xfee00, first, first, 0xfffff};

	start(MEMORY_PRIVATE);
	inflate(wild, COUNT(wild));
	ck_assert_uint_eq(returned(), 2 * PAGE);
	const uint32_t over[] = {(uint32_t)(machine.vm.memory.ram_size / PAGE) - 1,
		(uint32_t)(machine.vm.memory.ram_size / PAGE)};
	inflate(over, COUNT(over));
	ck_assert_uint_eq(returned(), 2 * PAGE);
	list_and_wait(INFLATE, PAGES + MIB(1), MIB(1), 0); /* 0xeeeeeeee, far too often */
	list_and_wait(INFLATE, PAGES, 3, 0);
	list_and_wait(INFLATE, UINT64_MAX - 7, 8, 0);
	list_and_wait(REPORT, UINT64_MAX - 100, 8 * PAGE, VRING_DESC_F_WRITE);
	list_and_wait(REPORT, MIB(15), MIB(4), VRING_DESC_F_WRITE);
	list_and_wait(REPORT, PAGES, 100, VRING_DESC_F_WRITE);
	ck_assert_uint_eq(returned(), 2 * PAGE);
	ck_assert_uint_eq(common_get(COMMON(device_status), 1), GOING);
	/* Its own rings: whatever it finds there, the device goes on or asks for a reset. */
	const uint32_t own = (uint32_t)(RINGS(INFLATE) / PAGE);
	memory_put(NUMBERS, &own, sizeof(own));
	descriptor_put(INFLATE, 15, NUMBERS, sizeof(own), 0, 0);
	head_list(INFLATE, 15);
	ring(INFLATE);
	while (returned() == 2 * PAGE)
		(void)usleep(1000);
	reset();
	machine_finish();
}
END_TEST

/* Later than its other queues, so the queue for reports has another number. */
#define STATS 2
#define LATE_REPORT 3

static void stats_list(uint64_t free_bytes, uint16_t more_tag)
{
	const struct virtio_balloon_stat entries[] = {{VIRTIO_BALLOON_S_MEMFREE, free_bytes},
		{VIRTIO_BALLOON_S_MEMTOT, MIB(16)}, {more_tag, 1}};

	memory_put(NUMBERS, entries, sizeof(entries));
	descriptor_put(STATS, listed[STATS] % RING_SIZE, NUMBERS, sizeof(entries), 0, 0);
	head_list(STATS, listed[STATS] % RING_SIZE);
	ring(STATS);
}

static uint64_t guest_free_await(uint64_t wanted)
{
	struct virtio_balloon_figures f;

	for (unsigned ms = 0; ms < 10000; ms++) {
		f = virtio_balloon_look(&machine.vm);
		if (f.guest.known && f.guest.values[VIRTIO_BALLOON_S_MEMFREE] == wanted)
			break;
		(void)usleep(1000);
	}
	ck_assert_uint_eq(
		f.guest.known, BIT64(VIRTIO_BALLOON_S_MEMFREE) | BIT64(VIRTIO_BALLOON_S_MEMTOT));
	return f.guest.values[VIRTIO_BALLOON_S_MEMFREE];
}

/* It keeps one buffer, and returns that to ask. */
START_TEST(hears_how_the_guest_is)
{
	start(MEMORY_PRIVATE);
	ck_assert(features_offered() & BIT64(VIRTIO_BALLOON_F_STATS_VQ));
	features_accept(FEATURES | BIT64(VIRTIO_BALLOON_F_STATS_VQ));
	for (unsigned n = 0; n < 4; n++) {
		queue_place(n);
		queue_enable(n);
	}
	driver_go();
	ck_assert_uint_eq(virtio_balloon_look(&machine.vm).guest.known, 0);
	stats_list(MIB(3), 99);
	ck_assert_uint_eq(guest_free_await(MIB(3)), MIB(3));
	used_await(STATS, 1);
	(void)virtio_balloon_look(&machine.vm);
	stats_list(MIB(4), UINT16_MAX);
	ck_assert_uint_eq(guest_free_await(MIB(4)), MIB(4));
	used_await(STATS, 2);
	/* What it is not to say is nobody's. */
	descriptor_put(STATS, 5, UINT64_MAX - 7, 30, 0, 0);
	head_list(STATS, 5);
	descriptor_put(STATS, 6, NUMBERS, 20000, 0, 0);
	head_list(STATS, 6);
	ring(STATS);
	ck_assert_uint_eq(guest_free_await(MIB(4)), MIB(4));
	list_and_wait(LATE_REPORT, PAGES, 8 * PAGE, VRING_DESC_F_WRITE);
	ck_assert_uint_eq(returned(), 8 * PAGE);
	/* A buffer that is kept is forgotten by a reset. */
	stats_list(MIB(5), 99);
	reset();
	ck_assert_uint_eq(virtio_balloon_look(&machine.vm).guest.known, 0);
	machine_finish();
}
END_TEST

START_TEST(asks_the_guest)
{
	start(MEMORY_PRIVATE);
	const uint64_t all = machine.vm.memory.ram_size;
	const uint64_t before = common_get(COMMON(config_generation), 1);
	ck_assert_int_eq(virtio_balloon_set(&machine.vm, all + 1), -ERANGE);
	ck_assert_int_eq(virtio_balloon_set(&machine.vm, 256), -EINVAL);
	ck_assert_int_eq(virtio_balloon_set(&machine.vm, all - MIB(4)), 0);
	while (common_get(COMMON(config_generation), 1) == before)
		(void)usleep(1000);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(num_pages), 4), MIB(4) / PAGE);
	/* The driver says what it has given; the rest is not its to say. */
	reg_put(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(actual), 4, 100);
	reg_put(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(num_pages), 4, 7);
	const struct virtio_balloon_figures f = virtio_balloon_look(&machine.vm);
	ck_assert_uint_eq(f.wanted, MIB(4));
	ck_assert_uint_eq(f.held, 100 * PAGE);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(num_pages), 4), MIB(4) / PAGE);
	reset();
	ck_assert_uint_eq(virtio_balloon_look(&machine.vm).held, 0);
	ck_assert_uint_eq(virtio_balloon_look(&machine.vm).wanted, MIB(4));
	machine_finish();
}
END_TEST

START_TEST(a_guest_without_a_balloon)
{
	machine_describe("none");
	(void)dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	machine_start();
	ck_assert_int_eq(virtio_balloon_set(&machine.vm, MIB(8)), -ENODEV);
	ck_assert_uint_eq(virtio_balloon_look(&machine.vm).wanted, 0);
	machine_finish();
}
END_TEST

RIG_SUITE("virtio_balloon", gives_back_what_the_guest_lists, gives_back_what_nobody_uses,
	a_hostile_driver_hurts_itself, hears_how_the_guest_is, asks_the_guest,
	a_guest_without_a_balloon)
