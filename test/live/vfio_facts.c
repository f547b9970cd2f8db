/* SPDX-License-Identifier: MIT */
/*
 * vfio_facts ADDRESS GROUP: checks the facts of the kernel's VFIO that usher relies on, with an
 * NVMe controller on vfio-pci. Prints 'ok' or 'not ok' and the fact, one per line.
 */
#include "base/err.h"
#include "base/num.h"
#include "host/host.h"
#include "vfio/container.h"
#include "vfio/device.h"
#include "vfio/group.h"
#include "vfio/irq.h"
#include "vfio/region.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int failed;

static void fact(int true_, const char *text)
{
	printf("%s %s\n", true_ ? "ok" : "not ok", text);
	failed |= !true_;
}

/* ioctl(2) as 0 or -errno. */
static int call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static sigjmp_buf bus_jump;

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus_jump, 1);
}

/* Return: 0 and the value at @p; -EFAULT if the access raises SIGBUS. */
static int touch(const volatile uint32_t *p, uint32_t *ret)
{
	if (sigsetjmp(bus_jump, 1))
		return -EFAULT;
	*ret = *p;
	return 0;
}

static void container_alone(struct vfio_container *c)
{
	struct vfio_iommu info;
	struct vfio_iommu_type1_dma_map m = {.argsz = sizeof(m)};

	fact(vfio_container_has(c, 9999) == 0, "an unknown extension is no error");
	fact(vfio_container_set_iommu(c, NULL) == -EINVAL, "SET_IOMMU without a group: EINVAL");
	fact(vfio_container_info(c, &info, NULL) == -EINVAL, "GET_INFO without an IOMMU: EINVAL");
	fact(call(c->fd, VFIO_IOMMU_MAP_DMA, &m) == -EINVAL, "MAP_DMA without an IOMMU: EINVAL");
}

static void group_steps(struct vfio_container *c, struct vfio_group *g, const char *name)
{
	struct vfio_group second = VFIO_GROUP_NONE;
	struct err e = {0};
	char self[64];
	int none = -1, wrong = open("/dev/null", O_RDWR | O_CLOEXEC);

	fact(vfio_group_open(host_live(), g->number, &second, &e) == -EBUSY,
		"a second open of a group: EBUSY");
	(void)snprintf(self, sizeof(self), "in process %d ", (int)getpid());
	fact(strstr(e.msg, self) != NULL, "the message names the process that has it");
	fact(vfio_group_device_fd(g, name, NULL) == -EINVAL, "a device before a container: EINVAL");
	fact(call(g->fd, VFIO_GROUP_SET_CONTAINER, &none) == -EBADF, "SET_CONTAINER -1: EBADF");
	fact(call(g->fd, VFIO_GROUP_SET_CONTAINER, &wrong) == -EBADFD,
		"SET_CONTAINER of another file: EBADFD");
	fact(vfio_group_set_container(g, c, host_live(), NULL) == 0, "SET_CONTAINER");
	fact(vfio_group_device_fd(g, name, NULL) == -EINVAL, "a device before SET_IOMMU: EINVAL");
	/* Not the fact's second argument: VFIO_SET_IOMMU takes a number. */
	fact(call(c->fd, VFIO_SET_IOMMU, (void *)(uintptr_t)9999) == -ENODEV,
		"SET_IOMMU of an unknown type: ENODEV");
	fact(vfio_container_set_iommu(c, NULL) == 0, "SET_IOMMU type 1 (v2)");
	fact(vfio_container_set_iommu(c, NULL) == -EINVAL, "SET_IOMMU twice: EINVAL");
	fact(vfio_group_device_fd(g, "0000:ff:1f.7", NULL) == -ENODEV, "no such device: ENODEV");
	(void)close(wrong);
}

static void dma(struct vfio_ioas *s)
{
	const unsigned rw = VFIO_DMA_READ | VFIO_DMA_WRITE;
	char *p = mmap(NULL, MIB(1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *ro = mmap(NULL, KIB(4), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vfio_iommu info;

	fact(vfio_ioas_info(s, &info, NULL) == 0 && info.range_count && info.page_sizes & KIB(4) &&
			info.dma_avail != UINT32_MAX,
		"GET_INFO tells ranges, page sizes and mappings left");
	fact(vfio_ioas_map(s, IOVA(0), p, KIB(64), 0, NULL) == -EINVAL, "MAP no access: EINVAL");
	fact(vfio_ioas_map(s, IOVA(0), p, 0, rw, NULL) == -EINVAL, "MAP nothing: EINVAL");
	fact(vfio_ioas_map(s, IOVA(0x800), p, KIB(4), rw, NULL) == -EINVAL,
		"MAP unaligned: EINVAL");
	fact(vfio_ioas_map(s, IOVA(0xfee00000), p, KIB(4), rw, NULL) == -EINVAL,
		"MAP where MSIs go: EINVAL");
	fact(vfio_ioas_map(s, IOVA(0), p, MIB(1), rw, NULL) == 0, "MAP");
	fact(vfio_ioas_map(s, IOVA(KIB(4)), p, KIB(4), rw, NULL) == -EEXIST, "MAP over it: EEXIST");
	fact(vfio_ioas_map(s, IOVA(MIB(2)), ro, KIB(4), rw, NULL) == -EFAULT,
		"MAP read-only memory for writing: EFAULT");
	fact(vfio_ioas_unmap(s, IOVA(KIB(4)), KIB(4), NULL) == -EINVAL, "UNMAP a part: EINVAL");
	fact(vfio_ioas_unmap(s, IOVA(MIB(8)), KIB(4), NULL) == -ENOENT,
		"UNMAP nothing: the kernel says 0 bytes, usher ENOENT");
	fact(vfio_ioas_unmap(s, IOVA(0), MIB(1), NULL) == 0, "UNMAP");
	(void)munmap(p, MIB(1));
	(void)munmap(ro, KIB(4));
}

static void interrupts(struct vfio_dev *d)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), none = -1, many[4] = {fd, fd, fd, fd};
	struct vfio_irqs msix;
	eventfd_t n;

	fact(vfio_irq_info(d, VFIO_PCI_MSIX_IRQ_INDEX, &msix, NULL) == 0 && msix.count,
		"the device has MSI-X");
	fact(vfio_irq_disable(d, VFIO_PCI_INTX_IRQ_INDEX) == -EINVAL,
		"turning off what is not on: EINVAL");
	fact(vfio_irq_set(d, VFIO_PCI_MSIX_IRQ_INDEX, 0, &none, 1) == 0,
		"MSI-X goes on with no eventfd at all");
	fact(vfio_irq_set(d, VFIO_PCI_INTX_IRQ_INDEX, 0, &fd, 1) == -EINVAL,
		"two kinds at once: EINVAL");
	int added = vfio_irq_set(d, VFIO_PCI_MSIX_IRQ_INDEX, 3, &fd, 1);
	fact(msix.flags & VFIO_IRQ_INFO_NORESIZE ? added == -EINVAL : added == 0,
		"vectors can be added later exactly when NORESIZE is not said");
	fact(vfio_irq_disable(d, VFIO_PCI_MSIX_IRQ_INDEX) == 0, "MSI-X goes off");
	fact(vfio_irq_set(d, VFIO_PCI_MSIX_IRQ_INDEX, 0, many, 4) == 0, "on again, four vectors");
	fact(vfio_irq_fire(d, VFIO_PCI_MSIX_IRQ_INDEX, 2, 1) == 0 && !eventfd_read(fd, &n) &&
			n == 1,
		"firing a vector signals its eventfd");
	fact(vfio_irq_set(d, VFIO_PCI_MSIX_IRQ_INDEX, msix.count, &fd, 1) == -EINVAL,
		"a vector beyond the last: EINVAL");
	fact(vfio_irq_mask(d, VFIO_PCI_MSIX_IRQ_INDEX) == -ENOTTY, "masking MSI-X: ENOTTY");
	fact(vfio_irq_disable(d, VFIO_PCI_MSIX_IRQ_INDEX) == 0, "off again");
	fact(vfio_irq_set(d, VFIO_PCI_INTX_IRQ_INDEX, 0, &fd, 1) == 0, "INTx goes on");
	fact(vfio_irq_unmask_fd(d, VFIO_PCI_INTX_IRQ_INDEX, fd) == 0, "an eventfd unmasks INTx");
	fact(vfio_irq_disable(d, VFIO_PCI_INTX_IRQ_INDEX) == 0, "INTx goes off");
	(void)close(fd);
}

static void bars(struct vfio_dev *d)
{
	struct vfio_region bar, config;
	uint64_t command, cap = 0;
	uint32_t v = 0;
	void *p = NULL;

	fact(vfio_region_info(d, 0, &bar, NULL) == 0 && bar.size, "BAR 0 is there");
	fact(bar.msix_mappable && bar.area_count == 1,
		"the pages of the MSI-X table may be mapped");
	fact(vfio_region_info(d, VFIO_PCI_CONFIG_REGION_INDEX, &config, NULL) == 0 &&
			config.size == 4096,
		"configuration space has 4096 bytes");
	fact(vfio_region_get(d, &config, PCI_COMMAND, 2, &command) == 0 &&
			!(command & PCI_COMMAND_MASTER),
		"bus mastering is off at open");
	command |= PCI_COMMAND_MEMORY;
	(void)vfio_region_put(d, &config, PCI_COMMAND, 2, command);
	fact(vfio_region_map(d, &bar, 0, bar.size, NULL, &p) == 0, "mmap of BAR 0");
	fact(vfio_region_get(d, &bar, 0, 8, &cap) == 0 && cap && cap != UINT64_MAX, "pread of CAP");
	fact(p && touch(p, &v) == 0 && v == (uint32_t)cap, "the mapping reads the same");

	(void)vfio_region_put(d, &config, PCI_COMMAND, 2, command & ~(uint64_t)PCI_COMMAND_MEMORY);
	fact(vfio_region_get(d, &bar, 0, 4, &cap) == -EIO, "decoding off: pread is EIO");
	fact(p && touch(p, &v) == -EFAULT, "decoding off: the mapping is a SIGBUS");
	(void)vfio_region_put(d, &config, PCI_COMMAND, 2, command);
	fact(p && touch(p, &v) == 0 && v == (uint32_t)cap, "decoding on: the same mapping works");

	uint64_t pm = 0, id;
	(void)vfio_region_get(d, &config, PCI_CAPABILITY_LIST, 1, &pm);
	while (pm && !vfio_region_get(d, &config, pm, 1, &id) && id != PCI_CAP_ID_PM)
		(void)vfio_region_get(d, &config, pm + 1, 1, &pm);
	(void)vfio_region_put(d, &config, pm + PCI_PM_CTRL, 2, 3);
	fact(pm && touch(p, &v) == -EFAULT, "D3hot: the mapping is a SIGBUS");
	(void)vfio_region_put(d, &config, pm + PCI_PM_CTRL, 2, 0);
	fact(pm && touch(p, &v) == 0 && v == (uint32_t)cap, "D0: the same mapping works");

	fact(vfio_dev_reset(d, NULL) == 0, "RESET");
	fact(p && touch(p, &v) == 0 && v == (uint32_t)cap, "after it the same mapping works");
	(void)munmap(p, bar.size);
}

int main(int argc, char **argv)
{
	struct vfio_container c = VFIO_CONTAINER_NONE;
	struct vfio_ioas ioas = VFIO_IOAS_NONE;
	struct vfio_group g = VFIO_GROUP_NONE;
	struct vfio_dev d = VFIO_DEV_NONE;
	struct sigaction sa = {.sa_handler = on_bus};
	struct err e = {0};

	if (argc != 3)
		return 2;
	(void)sigaction(SIGBUS, &sa, NULL);
	if (vfio_container_open(&c, &e) < 0 ||
		vfio_group_open(host_live(), atoi(argv[2]), &g, &e) < 0) {
		printf("not ok %s (%s)\n", e.msg, e.hint);
		return 1;
	}
	container_alone(&c);
	group_steps(&c, &g, argv[1]);
	fact(vfio_ioas_from_fd(c.fd, &ioas, &e) == 0, "a container is an I/O address space");
	dma(&ioas);
	fact(vfio_group_device(&g, argv[1], &d, &e) == 0, "the device opens");
	fact(d.region_count >= 9 && d.irq_count >= 5 && d.flags & VFIO_DEVICE_FLAGS_RESET,
		"GET_INFO: nine regions, five kinds of interrupts, a reset");
	fact(vfio_group_unset_container(&g, NULL) == -EBUSY,
		"UNSET_CONTAINER with a device: EBUSY");
	interrupts(&d);
	bars(&d);
	vfio_group_close(&g);
	vfio_ioas_close(&ioas);
	fact(vfio_group_open(NULL, atoi(argv[2]), &g, NULL) == -EBUSY,
		"the group is busy as long as its device is open");
	vfio_dev_close(&d);
	fact(vfio_group_open(NULL, atoi(argv[2]), &g, NULL) == 0, "and free after that");
	vfio_group_close(&g);
	return failed;
}
