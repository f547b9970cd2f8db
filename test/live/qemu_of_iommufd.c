/* SPDX-License-Identifier: MIT */
/*
 * Stands in for a QEMU of 9.0 or later, which gets devices as descriptors of VFIO and iommufd, and
 * runs no guest: takes the device by them, maps memory for it, reads its identity, and tries what a
 * QEMU that is its guest's would try. Prints what it found, one per line.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Debian 12's headers have none of these. Ref: <linux/iommufd.h>, <linux/vfio.h> of Linux 6.6. */
#define BIND _IO(VFIO_TYPE, VFIO_BASE + 18)
#define ATTACH _IO(VFIO_TYPE, VFIO_BASE + 19)
#define IOAS_ALLOC _IO(';', 0x81)
#define IOAS_MAP _IO(';', 0x85)
#define MAP_FLAGS 7 /* at the IOVA that is asked for, readable and writable */

#define RAM_BYTES (64 << 20) /* more than an ordinary user may lock */

struct bind {
	uint32_t argsz, flags;
	int32_t iommufd;
	uint32_t id;
};

struct attach {
	uint32_t argsz, flags, space;
};

struct alloc {
	uint32_t size, flags, space;
};

struct map {
	uint32_t size, flags, space, reserved;
	uint64_t address, length, iova;
};

/* The number behind @key in the word that has @with. */
static int word_number(char **argv, const char *with, const char *key)
{
	int number = -1;

	for (; *argv; argv++) {
		const char *at = strstr(*argv, with) ? strstr(*argv, key) : NULL;
		if (at && sscanf(at + strlen(key), "%d", &number) == 1)
			return number;
	}
	return -1;
}

static void step(const char *name, int r)
{
	printf("%s: %s\n", name, r < 0 ? strerror(errno) : "ok");
}

static void device_use(int device, int iommu)
{
	struct bind bind = {.argsz = sizeof(bind), .iommufd = iommu};
	struct alloc space = {.size = sizeof(space)};
	struct attach attach = {.argsz = sizeof(attach)};
	struct map map = {.size = sizeof(map), .flags = MAP_FLAGS, .length = RAM_BYTES};
	struct vfio_region_info config = {
		.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX};
	uint16_t identity[2] = {0};

	step("bind", ioctl(device, BIND, &bind));
	step("space", ioctl(iommu, IOAS_ALLOC, &space));
	attach.space = map.space = space.space;
	step("attach", ioctl(device, ATTACH, &attach));
	void *ram =
		mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	map.address = (uint64_t)(uintptr_t)ram;
	step("map", ioctl(iommu, IOAS_MAP, &map));
	step("config", ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config));
	if (pread(device, identity, sizeof(identity), (off_t)config.offset) > 0)
		printf("device: %04x:%04x\n", identity[0], identity[1]);
}

/* Opens what it has got once more, by its path. */
static void path_try(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	printf("%s: %s\n", path, fd < 0 ? strerror(errno) : "opens");
	if (fd >= 0)
		(void)close(fd);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return puts("QEMU emulator version 9.0.0") < 0;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	int device = word_number(argv, "vfio-pci", ",fd="),
	    iommu = word_number(argv, "iommufd,id=", ",fd=");
	if (device < 0 || iommu < 0) {
		(void)puts("no descriptors");
		return 1;
	}
	printf("user: %u\n", getuid());
	device_use(device, iommu);
	path_try("/dev/iommu");
	path_try("/dev/vfio/vfio");
	path_try("/dev/vfio/devices/vfio0");
	path_try("/dev/kvm");
	return 0;
}
