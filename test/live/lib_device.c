/* SPDX-License-Identifier: MIT */
/*
 * libusher on a real kernel, in the emulated host. Prints 'ok' or 'not ok' and the fact, one a
 * line.
 *
 *	lib_device all NIC DISK   NIC an e1000e
 *	lib_device absent ADDRESS   the device is on no driver, a sibling in its group on vfio-pci
 *	lib_device request ADDRESS   closes the device when the host wants it back
 *	lib_device pull NIC   reads registers until the host asks for the device
 */
#include "facts.h"
#include "unit/lib/space_rounds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <usher/dma.h>
#include <usher/irq.h>
#include <usher/region.h>

/* Registers of the e1000e, 82574 datasheet §10.2.4. */
#define NIC_STATUS 0x8
#define NIC_ICR 0xc0 /* causes; reading clears them */
#define NIC_ICS 0xc8 /* sets causes */
#define NIC_IMS 0xd0 /* causes that interrupt */
#define NIC_IMC 0xd8 /* causes to mask */
#define NIC_FCTTV 0x170 /* a plain number, 0 after a reset */
#define LINK_CHANGED 4u

/* Lets the card raise one interrupt. */
static int64_t interrupt(struct usher_device *d, struct usher_window *w, enum usher_irq kind)
{
	uint32_t cause;

	(void)usher_write32(w, NIC_IMS, LINK_CHANGED);
	(void)usher_read32(w, NIC_ICR, &cause);
	(void)usher_write32(w, NIC_ICS, LINK_CHANGED);
	return usher_irq_wait(d, kind, 0, 2000);
}

/*
 * Stops the card. Linux removes an MSI in two steps: it zeroes the message, then it turns MSI off.
 * What the card sends in between is a write to address 0, which the IOMMU stops and reports.
 */
static void quiet(struct usher_window *w)
{
	uint32_t cause;

	(void)usher_write32(w, NIC_IMC, UINT32_MAX);
	(void)usher_read32(w, NIC_ICR, &cause);
}

/*
 * Each interrupt starts the card's throttle timer (ITR, 82574 datasheet §10.2.4.2: 128 µs, and QEMU
 * allows no less), and QEMU 7.2 aborts when it runs out after MSI-X went on. So between two kinds
 * the card is reset, by its bus: it has no FLR, QEMU takes no notice of the way to D3 and back that
 * VFIO_DEVICE_RESET chooses for it, nor does CTRL.RST stop that timer.
 */
static void reset_card(struct usher_device *d, struct usher_window *w)
{
	uint32_t v = UINT32_MAX;

	(void)usher_write32(w, NIC_FCTTV, 1);
	fact(usher_device_hot_reset(d, &e) == 0, "its bus is reset");
	fact(usher_read32(w, NIC_FCTTV, &v) == 0 && v == 0, "and the card with it");
}

static void intx(struct usher_device *d, struct usher_window *w)
{
	uint32_t cause = 0;
	int resample = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	fact(usher_irq_on(d, USHER_INTX, 1, &e) == 0, "INTx goes on");
	fact(interrupt(d, w, USHER_INTX) == 1, "INTx: the card interrupts");
	fact(usher_irq_wait(d, USHER_INTX, 0, 50) == -ETIMEDOUT, "INTx is masked after it");
	fact(usher_irq_unmask(d, USHER_INTX) == 0 && usher_irq_wait(d, USHER_INTX, 0, 2000) == 1,
		"INTx unmasked: the level is still there");
	fact(usher_read32(w, NIC_ICR, &cause) == 0 && cause & LINK_CHANGED, "the card says why");
	fact(usher_irq_resample(d, USHER_INTX, resample) == 0, "INTx unmasks by an eventfd");
	(void)eventfd_write(resample, 1);
	fact(interrupt(d, w, USHER_INTX) == 1, "INTx: once more after it");
	quiet(w);
	fact(usher_irq_off(d, USHER_INTX, &e) == 0, "INTx goes off");
	(void)close(resample);
}

static void msi(struct usher_device *d, struct usher_window *w)
{
	fact(usher_irq_on(d, USHER_MSI, 1, &e) == 0, "MSI goes on");
	fact(interrupt(d, w, USHER_MSI) == -ETIMEDOUT, "an MSI without bus mastering is lost");
	fact(usher_device_master_on(d, &e) == 0, "bus mastering on");
	fact(interrupt(d, w, USHER_MSI) >= 1, "MSI: the card interrupts");
	fact(usher_irq_on(d, USHER_MSIX, 1, &e) == -EBUSY, "MSI-X while MSI is on: EBUSY");
	e.msg[0] = '\0';
	quiet(w);
	fact(usher_irq_off(d, USHER_MSI, &e) == 0, "MSI goes off");
}

static void msix(struct usher_device *d)
{
	fact(usher_irq_on(d, USHER_MSIX, 2, &e) == 0, "MSI-X goes on with two vectors");
	fact(usher_irq_add(d, USHER_MSIX, 4, &e) == 0, "a fifth vector joins");
	fact(usher_irq_fire(d, USHER_MSIX, 4) == 0 && usher_irq_wait(d, USHER_MSIX, 4, 1000) >= 1,
		"and signals");
	fact(usher_irq_fire(d, USHER_MSIX, 1) == 0 && usher_irq_wait(d, USHER_MSIX, 1, 1000) >= 1,
		"as does an earlier one");
	fact(usher_irq_on(d, USHER_ERR, 1, &e) == 0 && usher_irq_fire(d, USHER_ERR, 0) == 0 &&
			usher_irq_wait(d, USHER_ERR, 0, 1000) == 1,
		"ERR signals");
	fact(usher_irq_on(d, USHER_REQ, 1, &e) == 0 && usher_irq_fire(d, USHER_REQ, 0) == 0 &&
			usher_irq_wait(d, USHER_REQ, 0, 1000) == 1,
		"REQ signals");
}

static void decoding(struct usher_device *d, struct usher_window *w)
{
	uint32_t command = 0, v = 0;

	fact(w->base != NULL && usher_read32(w, NIC_STATUS, &v) == 0, "a mapped register");
	(void)usher_config_read(d, PCI_COMMAND, 2, &command);
	(void)usher_config_write(d, PCI_COMMAND, 2, command & ~(uint32_t)PCI_COMMAND_MEMORY);
	fact(usher_read32(w, NIC_STATUS, &v) == -ENODEV && v == UINT32_MAX,
		"memory decoding off: ENODEV and no crash");
	fact(usher_write32(w, NIC_IMS, 0) == -ENODEV, "writes too");
	fact(usher_write32(w, NIC_FCTTV, 5) == -ENODEV &&
			usher_read32(w, NIC_FCTTV, &v) == -ENODEV && v == UINT32_MAX,
		"and what was written is not read back");
	fact(usher_window_revive(w) == -ENODEV, "no way back as long as it is off");
	fact(usher_region_read(d, USHER_BAR(3), 0, &v, sizeof(v)) == 0 && v == UINT32_MAX,
		"the MSI-X table, which VFIO keeps to itself, reads as ones whatever is off");
	(void)usher_config_write(d, PCI_COMMAND, 2, command);
	fact(usher_window_revive(w) == 0 && usher_read32(w, NIC_STATUS, &v) == 0 && v != UINT32_MAX,
		"on again: the same window works");
	fact(!usher_device_gone(d), "the device was there all the time");
}

static void resets(struct usher_device *d, struct usher_window *w)
{
	uint32_t command = 0, v = 0;

	fact(usher_device_can(d, USHER_CAN_RESET) && usher_device_reset(d, &e) == 0, "reset");
	(void)usher_config_read(d, PCI_COMMAND, 2, &command);
	fact(!(command & PCI_COMMAND_MASTER), "bus mastering is off after it");
	fact(usher_irq_fd(d, USHER_MSIX, 0) == -ENOENT && usher_irq_fd(d, USHER_REQ, 0) >= 0,
		"interrupts are off, events are not");
	fact(usher_read32(w, NIC_STATUS, &v) == 0, "the window works");
	fact(usher_device_can(d, USHER_CAN_LOW_POWER) && usher_device_sleep(d, -1, &e) == 0,
		"low power");
	fact(usher_device_wake(d, &e) == 0, "and awake");
	fact(usher_window_revive(w) == 0 && usher_read32(w, NIC_STATUS, &v) == 0,
		"the window works after it");
	fact(!usher_device_can(d, USHER_CAN_MIGRATE), "it cannot migrate, and says so");
}

static void ioeventfd(struct usher_device *d, struct usher_window *w)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint32_t cause = 0;

	(void)usher_read32(w, NIC_ICR, &cause);
	fact(usher_region_ioeventfd(d, USHER_BAR(0), NIC_ICS, 4, LINK_CHANGED, fd) == 0,
		"an eventfd that writes a register");
	(void)eventfd_write(fd, 1);
	for (int i = 0; i < 100 && !(cause & LINK_CHANGED); i++) {
		(void)usleep(10000);
		(void)usher_read32(w, NIC_ICR, &cause);
	}
	fact(cause & LINK_CHANGED, "and does so");
	fact(usher_region_ioeventfd(d, USHER_BAR(0), NIC_ICS, 4, LINK_CHANGED, -1) == 0,
		"and is taken away");
	(void)close(fd);
}

static void two_groups(const char *nic, const char *disk)
{
	struct usher_space *s = NULL;
	struct usher_space_info i;
	struct usher_buffer b;
	usher_iova_t at;

	fact(usher_space_new(NULL, &s, &e) == 0, "a space");
	struct usher_device *first = open_device(nic, s), *second = open_device(disk, s);
	fact(usher_device_query(first)->group != usher_device_query(second)->group,
		"two devices of two groups in it");
	fact(usher_buffer_alloc(s, 1 << 20, 0, &b, &e) == 0, "a buffer for both");
	usher_device_close(first);
	fact(usher_space_query(s, &i, &e) == 0 && i.mappings == 1 && i.mappings_left == 65534,
		"one group leaves: the kernel keeps the mapping");
	fact(usher_space_map_at(s, b.iova, b.host, b.size, USHER_DMA_BOTH, NULL) == -EEXIST,
		"and its place is taken");
	usher_device_close(second);
	first = open_device(nic, s);
	fact(usher_space_query(s, &i, &e) == 0 && i.mappings_left == 65534,
		"all left and one came back: so did the mapping");
	fact(usher_space_unmap(s, b.iova, 4096, NULL) == -EINVAL, "a part of it stays");
	fact(usher_space_unmap(s, b.iova, b.size, &e) == 0, "the whole goes");
	fact(usher_space_map(s, b.host, b.size, USHER_DMA_BOTH, &at, &e) == 0 && at.v != b.iova.v,
		"its IOVA rests");
	usher_device_close(first);
	usher_space_free(s);
}

/* The same 10,000 operations as on the model. */
static void rounds(const char *nic)
{
	struct usher_space *s = NULL;
	void *memory = mmap(NULL, SPACE_ROUNDS_MEMORY, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	fact(memory != MAP_FAILED && usher_space_new(NULL, &s, &e) == 0, "a space and memory");
	struct usher_device *d = open_device(nic, s);
	const char *wrong = space_rounds(s, memory, NULL);
	fact(!wrong, wrong ? wrong : "10,000 operations agree with a reference");
	usher_device_close(d);
	usher_space_free(s);
	(void)munmap(memory, SPACE_ROUNDS_MEMORY);
}

static int group_of(const char *address)
{
	char path[96], target[PATH_MAX];

	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	const char *name = strrchr(target, '/');
	return name ? atoi(name + 1) : -1;
}

/* Opened by bare system calls, and handed over. */
static void handed(const char *nic)
{
	char path[64], uri[64];
	struct usher_device *d = NULL;
	struct usher_buffer b = USHER_BUFFER_NONE;

	(void)snprintf(path, sizeof(path), "/dev/vfio/%d", group_of(nic));
	int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	int group = open(path, O_RDWR | O_CLOEXEC);
	fact(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) &&
			!ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU),
		"a container and a group, by hand");
	int device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, nic);
	(void)snprintf(uri, sizeof(uri), "fd:%d,%d,%d", container, group, group);
	fact(usher_device_open(uri, NULL, &d, &e) == -ENOTTY, "a group is no device: ENOTTY");
	(void)snprintf(uri, sizeof(uri), "fd:%d,%d,%d", device, group, device);
	fact(usher_device_open(uri, NULL, &d, &e) == -ENOTTY, "a device is no container: ENOTTY");
	e.msg[0] = '\0';
	fact(fcntl(container, F_GETFD) >= 0 && fcntl(group, F_GETFD) >= 0 &&
			fcntl(device, F_GETFD) >= 0,
		"what was refused is still its giver's");
	(void)snprintf(uri, sizeof(uri), "fd:%d,%d,%d", container, group, device);
	d = open_uri(uri, NULL);
	fact(usher_buffer_alloc(usher_device_space(d), 1 << 20, 0, &b, &e) == 0, "memory for it");
	fact(usher_irq_on(d, USHER_MSIX, 1, &e) == 0, "MSI-X");
	fact(usher_device_hot_reset(d, &e) == 0, "a hot reset, with the group's descriptor");
	usher_buffer_free(&b);
	usher_device_close(d);
	fact(fcntl(container, F_GETFD) < 0 && fcntl(group, F_GETFD) < 0 &&
			fcntl(device, F_GETFD) < 0,
		"all three descriptors are closed with it");
}

static void memlock(const char *nic)
{
	const struct rlimit small = {65536, 65536};
	struct usher_device *d = open_device(nic, NULL);
	struct usher_buffer b = USHER_BUFFER_NONE, big = USHER_BUFFER_NONE;

	(void)setrlimit(RLIMIT_MEMLOCK, &small);
	fact(seteuid(1000) == 0, "an ordinary user from here on");
	fact(usher_buffer_alloc(usher_device_space(d), 16384, 0, &b, &e) == 0, "16 KiB of 64");
	fact(usher_buffer_alloc(usher_device_space(d), 1 << 20, 0, &big, &e) == -ENOMEM &&
			strstr(e.hint, "needs 1040 KiB of locked memory") != NULL,
		"1 MiB beyond RLIMIT_MEMLOCK: the hint says how much is needed");
	fact(usher_buffer_alloc(usher_device_space(d), 16384, 0, &big, &e) == 0, "16 KiB more");
	usher_buffer_free(&big);
	usher_buffer_free(&b);
	fact(seteuid(0) == 0, "root again");
	usher_device_close(d);
}

/* Held only by the descriptor of a device: its owner has closed the node of the group. */
static void held(const char *nic)
{
	char path[64], who[64];
	struct usher_device *d = NULL;

	(void)snprintf(path, sizeof(path), "/dev/vfio/%d", group_of(nic));
	int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	int group = open(path, O_RDWR | O_CLOEXEC);
	int device = ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
				     ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)
			     ? -1
			     : ioctl(group, VFIO_GROUP_GET_DEVICE_FD, nic);
	fact(device >= 0 && close(group) == 0, "a device without its group's node");
	(void)snprintf(path, sizeof(path), "pci:%s", nic);
	fact(usher_device_open(path, NULL, &d, &e) == -EBUSY, "its group is busy");
	(void)snprintf(who, sizeof(who), "process %d ('lib_device')", (int)getpid());
	fact(strstr(e.hint, who) != NULL, "and who may hold it is named");
	e.msg[0] = '\0';
	(void)close(device);
	(void)close(container);
}

static int absent(const char *address)
{
	char uri[64];
	struct usher_device *d = NULL;

	(void)snprintf(uri, sizeof(uri), "pci:%s", address);
	int r = usher_device_open(uri, NULL, &d, &e);
	printf("%s\nhint: %s\n", e.msg, e.hint);
	fact(r == -ENODEV, "no driver has the device: ENODEV");
	return failed;
}

static void huge(const char *nic)
{
	struct usher_device *d = open_device(nic, NULL);
	struct usher_buffer b = USHER_BUFFER_NONE;

	fact(usher_buffer_alloc(usher_device_space(d), 1 << 20, USHER_BUFFER_HUGE_2M, &b, &e) == 0,
		"a buffer of huge pages");
	fact(b.size == 2 << 20 && b.iova.v % b.size == 0 && (uintptr_t)b.host % b.size == 0,
		"of one of them, at an IOVA that one IOMMU page can map");
	usher_buffer_free(&b);
	fact(usher_buffer_alloc(
		     usher_device_space(d), UINT64_C(1) << 40, USHER_BUFFER_HUGE_2M, &b, &e) < 0 &&
			strstr(e.hint, "huge pages are reserved beforehand") != NULL,
		"more than are reserved: the hint says where they come from");
	e.msg[0] = '\0';
	usher_device_close(d);
}

/* A BAR that is not prefetchable cannot be write-combined: the request is ignored. */
static void combined(struct usher_device *d)
{
	struct usher_window w = USHER_WINDOW_NONE;
	uint32_t v = 0;

	fact(usher_window_open(d, USHER_BAR(0), 0, 0, USHER_COMBINED, &w, &e) == 0 &&
			w.caching == USHER_UNCACHED,
		"registers are not write-combined, whatever is asked for");
	fact(usher_write32(&w, NIC_FCTTV, 7) == 0 && usher_read32(&w, NIC_FCTTV, &v) == 0 && v == 7,
		"and such a window works");
	usher_window_close(&w);
}

static int all(char **argv)
{
	struct usher_device *d = open_device(argv[0], NULL);
	struct usher_window w = USHER_WINDOW_NONE;

	fact(usher_window_open(d, USHER_BAR(0), 0, 0, USHER_UNCACHED, &w, &e) == 0, "BAR 0");
	reset_card(d, &w); /* the host driver used it before, with MSI-X */
	intx(d, &w);
	reset_card(d, &w);
	msi(d, &w);
	reset_card(d, &w);
	msix(d);
	decoding(d, &w);
	resets(d, &w);
	combined(d);
	ioeventfd(d, &w);
	usher_device_close(d);
	two_groups(argv[0], argv[1]);
	rounds(argv[0]);
	huge(argv[0]);
	handed(argv[0]);
	held(argv[0]);
	memlock(argv[0]);
	return failed;
}

/* A process that keeps a copy of the descriptor until *@ret is closed. */
static pid_t keep_a_copy(int *ret)
{
	int ends[2];
	char byte;

	if (pipe(ends))
		return -1;
	pid_t child = fork();
	if (!child) {
		(void)close(ends[1]);
		_exit(read(ends[0], &byte, 1) != 0);
	}
	(void)close(ends[0]);
	*ret = ends[1];
	return child;
}

static int request(const char *address)
{
	struct usher_space *s = NULL;
	char path[64], uri[64];
	int end = -1;

	fact(usher_space_new(NULL, &s, &e) == 0, "a space");
	struct usher_device *d = open_device(address, s), *again = NULL;
	(void)snprintf(path, sizeof(path), "/dev/vfio/%d", group_of(address));
	(void)snprintf(uri, sizeof(uri), "pci:%s", address);
	fact(usher_irq_on(d, USHER_REQ, 1, &e) == 0, "REQ is watched");
	fact(usher_irq_wait(d, USHER_REQ, 0, 60000) >= 1, "the host wants the device back");
	fact(usher_device_open(uri, s, &again, &e) == -ENODEV, "nobody opens it any more: ENODEV");
	e.msg[0] = '\0';
	pid_t child = keep_a_copy(&end);
	usher_device_close(d);
	usher_space_free(s);
	/* The node of the group disappears when the unbind is complete. */
	(void)usleep(300000);
	fact(child > 0 && access(path, F_OK) == 0,
		"a copy of its descriptor holds the unbinding up");
	(void)close(end);
	fact(waitpid(child, NULL, 0) == child, "which ends");
	for (int i = 0; i < 600 && access(path, F_OK) == 0; i++)
		(void)usleep(100000);
	fact(access(path, F_OK) != 0, "and then the group is gone");
	return failed;
}

static int pull(const char *address)
{
	struct usher_device *d = open_device(address, NULL);
	struct usher_window w = USHER_WINDOW_NONE;
	uint32_t v;
	int r = 0;

	fact(usher_window_open(d, USHER_BAR(0), 0, 0, USHER_UNCACHED, &w, &e) == 0, "BAR 0");
	fact(usher_irq_on(d, USHER_REQ, 1, &e) == 0, "REQ is watched");
	while (r == 0 && usher_irq_wait(d, USHER_REQ, 0, 0) == -ETIMEDOUT)
		r = usher_read32(&w, NIC_STATUS, &v);
	/*
	 * The slot keeps its power until the host releases the device: at the request it is still
	 * there.
	 */
	fact(r == 0 && usher_read32(&w, NIC_STATUS, &v) == 0 && v != UINT32_MAX,
		"the host asks for it, and registers answered all the time");
	usher_device_close(d);
	fact(1, "closed in order");
	return failed;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "all") == 0)
		return all(argv + 2);
	if (argc == 3 && strcmp(argv[1], "absent") == 0)
		return absent(argv[2]);
	if (argc == 3 && strcmp(argv[1], "request") == 0)
		return request(argv[2]);
	if (argc == 3 && strcmp(argv[1], "pull") == 0)
		return pull(argv[2]);
	return 2;
}
