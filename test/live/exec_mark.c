/* SPDX-License-Identifier: MIT */
/*
 * Leaves a value in a register of a device (32 bits of BAR 0), and reads it afterwards.
 *
 *	exec_mark leave OFFSET VALUE ADDRESS…      writes it, enables DMA, and ends
 *	exec_mark lend NAME OFFSET VALUE ADDRESS   the same, and gives an accomplice its descriptor
 *	exec_mark hold NAME OFFSET                 the accomplice: prints the value that it reads
 *	exec_mark look ADDRESS OFFSET              reads it through sysfs, without a driver
 *
 * NAME is that of an abstract socket.
 */
#include "facts.h"

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <usher/region.h>
#include <usher/space.h>

#define ROOM 0x4000 /* [bytes] of registers that all of these devices have */

static void show(const char *who, uint32_t value)
{
	(void)printf("%s: 0x%08x\n", who, value);
	(void)fflush(stdout);
}

static int mark(struct usher_space *s, const char *address, uint32_t off, uint32_t value)
{
	struct usher_window *w = calloc(1, sizeof(*w));
	struct usher_device *d = NULL;
	uint32_t back = 0;

	if (!w || usher_device_inherit(address, s, &d, &e) < 0 ||
		usher_device_master_on(d, &e) < 0 ||
		usher_window_open(d, USHER_BAR(0), 0, ROOM, USHER_UNCACHED, w, &e) < 0 ||
		usher_write32(w, off, value) < 0 || usher_read32(w, off, &back) < 0) {
		fact(0, "the device is marked");
		return -1;
	}
	show(address, back);
	return 0;
}

static int leave(char **argv)
{
	uint32_t off = (uint32_t)strtoul(argv[0], NULL, 0);
	uint32_t value = (uint32_t)strtoul(argv[1], NULL, 0);
	struct usher_space *s = NULL;

	if (usher_space_new(NULL, &s, &e) < 0)
		return 1;
	for (char **a = argv + 2; *a; a++)
		if (mark(s, *a, off, value) < 0)
			return 1;
	return 0;
}

static int meet(const char *name, struct sockaddr_un *ret, socklen_t *ret_len)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "%s", name);
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
}

/* The descriptor that comes with a byte. */
struct parcel {
	char byte;
	struct iovec part;
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))];
	struct msghdr head;
};

static struct msghdr *pack(struct parcel *p)
{
	memset(p, 0, sizeof(*p));
	p->part = (struct iovec){&p->byte, 1};
	p->head = (struct msghdr){.msg_iov = &p->part,
		.msg_iovlen = 1,
		.msg_control = p->room,
		.msg_controllen = sizeof(p->room)};
	return &p->head;
}

/* "ADDRESS=fd:CONTAINER,none,DEVICE" */
static int lend(const char *name, char **argv)
{
	const char *text = getenv("USHER_DEVICE");
	const char *last = text ? strrchr(text, ',') : NULL;
	struct sockaddr_un to;
	struct parcel p;
	socklen_t len;

	int fd = meet(name, &to, &len);
	if (!last || fd < 0 || connect(fd, (struct sockaddr *)&to, len) < 0 || leave(argv))
		return 1;
	int device = atoi(last + 1);
	struct msghdr *m = pack(&p);
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(c), &device, sizeof(device));
	/* Waits until the accomplice has read the register. */
	return sendmsg(fd, m, 0) != 1 || read(fd, &p.byte, 1) != 1;
}

static int receive(const char *name, int *ret_from)
{
	struct sockaddr_un at;
	struct parcel p;
	socklen_t len;
	int device = -1;

	int fd = meet(name, &at, &len);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 1) < 0)
		return -1;
	(void)puts("waiting");
	(void)fflush(stdout);
	int from = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	struct msghdr *m = pack(&p);
	if (from < 0 || recvmsg(from, m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(m))
		return -1;
	memcpy(&device, CMSG_DATA(CMSG_FIRSTHDR(m)), sizeof(device));
	*ret_from = from;
	return device;
}

static uint32_t load(int device, uint32_t region, uint32_t off)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = region};
	uint32_t value = UINT32_MAX;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) < 0 ||
		pread(device, &value, sizeof(value), (off_t)(info.offset + off)) != sizeof(value))
		return UINT32_MAX;
	return value;
}

static int hold(const char *name, uint32_t off)
{
	const struct timespec pause = {.tv_nsec = 50000000};
	int from = -1, device = receive(name, &from);
	uint32_t before = 0, master_before = 0;

	if (device < 0)
		return 1;
	for (int first = 1;; first = 0, (void)nanosleep(&pause, NULL)) {
		uint32_t value = load(device, VFIO_PCI_BAR0_REGION_INDEX, off);
		uint32_t master = load(device, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND) &
				  PCI_COMMAND_MASTER;
		if (!first && value == before && master == master_before)
			continue;
		(void)printf(
			"accomplice: 0x%08x, bus mastering %s\n", value, master ? "on" : "off");
		(void)fflush(stdout);
		if (first && write(from, "", 1) != 1)
			return 1;
		before = value;
		master_before = master;
	}
}

static int look(const char *address, uint32_t off)
{
	const uint16_t memory = PCI_COMMAND_MEMORY, none = 0;
	char path[96];

	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", address);
	int config = open(path, O_RDWR | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", address);
	int bar = open(path, O_RDWR | O_CLOEXEC);
	if (config < 0 || bar < 0 || pwrite(config, &memory, sizeof(memory), PCI_COMMAND) != 2)
		return 1;
	const volatile uint8_t *p = mmap(NULL, ROOM, PROT_READ, MAP_SHARED, bar, 0);
	if (p == MAP_FAILED)
		return 1;
	show(address, *(const volatile uint32_t *)(const volatile void *)(p + off));
	return pwrite(config, &none, sizeof(none), PCI_COMMAND) != 2;
}

int main(int argc, char **argv)
{
	if (argc >= 5 && strcmp(argv[1], "leave") == 0)
		return leave(argv + 2);
	if (argc == 6 && strcmp(argv[1], "lend") == 0)
		return lend(argv[2], argv + 3);
	if (argc == 4 && strcmp(argv[1], "hold") == 0)
		return hold(argv[2], (uint32_t)strtoul(argv[3], NULL, 0));
	if (argc == 4 && strcmp(argv[1], "look") == 0)
		return look(argv[2], (uint32_t)strtoul(argv[3], NULL, 0));
	return 2;
}
