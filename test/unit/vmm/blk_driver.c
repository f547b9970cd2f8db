/* SPDX-License-Identifier: MIT */
#include "blk_driver.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int image;
unsigned queue;

void start_on(bool by_ring, const struct blk_spec *disk, int fd)
{
	machine_describe("virtio");
	spec.virtio_count = 1;
	spec.virtio[0] = (struct virtio_spec){.type = VIRTIO_TYPE_BLK, .disk = *disk, .fd = fd};
	image = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (by_ring)
		virtio_prepare(&spec.virtio[0]);
	(void)dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	machine_start();
	device_choose(1, VIRTIO_TYPE_BLK);
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

uint64_t disk_get(uint64_t field, unsigned size)
{
	return reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, field, size);
}

void set_up(uint64_t features)
{
	features_accept(features | BIT64(VIRTIO_F_VERSION_1));
	for (unsigned n = (unsigned)common_get(COMMON(num_queues), 2); n--;) {
		queue_place(n);
		queue_enable(n);
	}
	queue = 0;
	driver_go();
}

void chain_put(const struct part *parts, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		descriptor_put(queue, i, parts[i].at, parts[i].size,
			(parts[i].in ? VRING_DESC_F_WRITE : 0U) |
				(i + 1 < count ? VRING_DESC_F_NEXT : 0U),
			i + 1);
	head_list(queue, 0);
}

void chain_list(const struct part *parts, unsigned count)
{
	chain_put(parts, count);
	ring(queue);
}

void header_put(uint32_t type, uint64_t sector)
{
	const struct virtio_blk_outhdr h = {.type = type, .sector = sector};

	memory_put(HEADER, &h, sizeof(h));
	ck_assert_int_eq(memory_fill(&machine.vm.memory, GPA(STATUS), UNTOUCHED, 1), 0);
}

uint8_t wait_for_status(void)
{
	used_await(queue, listed[queue]);
	return byte_at(STATUS);
}

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

	memory_put(DATA, &r, sizeof(r));
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
	machine_finish();
	(void)close(image);
}
