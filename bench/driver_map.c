/* SPDX-License-Identifier: MIT */
/*
 * driver_map ADDRESS GROUP: the cost of mapping memory for DMA compared with the bare ioctls, on a
 * device on vfio-pci; and how many ioctls map 1 GiB of huge pages.
 */
#include "calls.h"
#include "clock.h"

#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <usher/device.h>
#include <usher/dma.h>
#include <usher/err.h>

#define PAGE 4096u
#define TURNS 401
#define PAIRS 200
#define BARE_IOVA UINT64_C(0x40000000)
#define HUGE_SIZE (UINT64_C(1) << 30)

static int container;
static struct usher_device *dev;
static struct usher_space *space;
static struct usher_err e;

/* By bare calls, so that the bare ioctls use the same container. */
static int open_all(const char *address, const char *group_number)
{
	char path[64], uri[64];

	(void)snprintf(path, sizeof(path), "/dev/vfio/%s", group_number);
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	int group = open(path, O_RDWR | O_CLOEXEC);
	if (container < 0 || group < 0 || ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0 ||
		ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
		return -1;
	int device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (device < 0)
		return -1;
	(void)snprintf(uri, sizeof(uri), "fd:%d,%d,%d", container, group, device);
	int r = usher_device_open(uri, NULL, &dev, &e);
	if (r == 0)
		space = usher_device_space(dev);
	return r;
}

static double bare(void *page)
{
	struct vfio_iommu_type1_dma_map map = {.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)page,
		.iova = BARE_IOVA,
		.size = PAGE};
	double begun = clock_now();

	for (unsigned i = 0; i < PAIRS; i++) {
		struct vfio_iommu_type1_dma_unmap unmap = {
			.argsz = sizeof(unmap), .iova = BARE_IOVA, .size = PAGE};
		if (ioctl(container, VFIO_IOMMU_MAP_DMA, &map) < 0 ||
			ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0)
			exit(1);
	}
	return clock_now() - begun;
}

static double ours(void *page)
{
	usher_iova_t iova;
	double begun = clock_now();

	for (unsigned i = 0; i < PAIRS; i++)
		if (usher_space_map(space, page, PAGE, USHER_DMA_BOTH, &iova, &e) < 0 ||
			usher_space_unmap(space, iova, PAGE, &e) < 0)
			exit(1);
	return clock_now() - begun;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/*
 * The two alternate, and so does the first of them, so that a disturbance affects both alike.
 */
static void pairs(void)
{
	static double mine[TURNS], theirs[TURNS];
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	for (unsigned i = 0; i < TURNS; i++) {
		if (i & 1)
			mine[i] = ours(page);
		theirs[i] = bare(page);
		if (!(i & 1))
			mine[i] = ours(page);
	}
	qsort(mine, TURNS, sizeof(mine[0]), by_value);
	qsort(theirs, TURNS, sizeof(theirs[0]), by_value);
	printf("map_ratio %.3f ours_us %.2f bare_us %.2f\n", mine[TURNS / 2] / theirs[TURNS / 2],
		mine[TURNS / 2] / PAIRS * 1e6, theirs[TURNS / 2] / PAIRS * 1e6);
}

static int map_huge(void *arg)
{
	struct usher_buffer b = USHER_BUFFER_NONE;

	(void)arg;
	return usher_buffer_alloc(space, HUGE_SIZE, USHER_BUFFER_HUGE_2M, &b, &e);
}

int main(int argc, char **argv)
{
	if (argc != 3 || open_all(argv[1], argv[2]) < 0) {
		(void)fprintf(stderr, "driver_map: no device: %s\n", e.msg);
		return 1;
	}
	pairs();
	long calls = calls_of(map_huge, NULL, SYS_ioctl);
	printf("huge_ioctls %ld\n", calls);
	usher_device_close(dev);
	return calls < 0;
}
