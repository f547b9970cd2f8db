/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "errno_rows.h"
#include "vfio/region.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RW (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define NUMBER(n) ((void *)(uintptr_t)(n)) /* an integer as an argument */
#define OLD_IOMMU 2 /* VFIO_SPAPR_TCE_IOMMU: of another architecture */
#define UNKNOWN_IOCTL _IO(';', 199)
#define DATA_FDS VFIO_IRQ_SET_DATA_EVENTFD
#define DATA_NONE VFIO_IRQ_SET_DATA_NONE
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER
#define MASK VFIO_IRQ_SET_ACTION_MASK
#define UNMASK VFIO_IRQ_SET_ACTION_UNMASK

static struct errno_bench *b;
static struct vfio_dev dev;
static char *page, *read_only;

/* ioctl(2) that returns 0 or more, or -errno. */
static int call_fd(int fd, unsigned long request, void *arg)
{
	int r = ioctl(fd, request, arg);

	return r < 0 ? -errno : r;
}

static int container(unsigned long request, void *arg)
{
	return call_fd(b->c.fd, request, arg);
}

static int group(unsigned long request, void *arg)
{
	return call_fd(b->g.fd, request, arg);
}

static int device(unsigned long request, void *arg)
{
	return call_fd(dev.fd, request, arg);
}

static int map(uint32_t flags, uint64_t iova, const void *host, uint64_t size)
{
	struct vfio_iommu_type1_dma_map m = {.argsz = sizeof(m),
		.flags = flags,
		.vaddr = (uintptr_t)host,
		.iova = iova,
		.size = size};

	return container(VFIO_IOMMU_MAP_DMA, &m);
}

/* Return: number of unmapped pages, -errno. */
static int unmap(uint32_t flags, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap u = {
		.argsz = sizeof(u), .flags = flags, .iova = iova, .size = size};
	int r = container(VFIO_IOMMU_UNMAP_DMA, &u);

	return r < 0 ? r : (int)(u.size / KIB(4));
}

static int irqs(uint32_t flags, uint32_t index, uint32_t start, uint32_t count)
{
	static int fd = -1;
	_Alignas(struct vfio_irq_set)
		uint8_t buf[sizeof(struct vfio_irq_set) + 8 * sizeof(int32_t)];
	struct vfio_irq_set *s = (void *)buf;

	if (fd < 0)
		fd = eventfd(0, EFD_CLOEXEC);
	*s = (struct vfio_irq_set){.argsz = sizeof(buf),
		.flags = flags,
		.index = index,
		.start = start,
		.count = count};
	for (size_t i = 0; i < 8; i++)
		memcpy(s->data + i * sizeof(int32_t), &fd, sizeof(int32_t));
	return device(VFIO_DEVICE_SET_IRQS, s);
}

static int short_irqs(void)
{
	struct vfio_irq_set s = {.argsz = sizeof(s),
		.flags = DATA_FDS | TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.count = 1};

	return device(VFIO_DEVICE_SET_IRQS, &s);
}

static int feature(uint32_t flags)
{
	struct vfio_device_feature f = {.argsz = sizeof(f), .flags = flags};

	return device(VFIO_DEVICE_FEATURE, &f);
}

/* Since Linux 6.18 it is EOVERFLOW. */
static int wrap(int r)
{
	return r == -EOVERFLOW ? -EINVAL : r;
}

/* Return: 0 a refused call leaves the size alone; otherwise its answer. */
static int refused_unmap(uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap u = {.argsz = sizeof(u), .iova = iova, .size = size};
	int r = container(VFIO_IOMMU_UNMAP_DMA, &u);

	return r < 0 && u.size == size ? 0 : r;
}

/* Maps as many single pages as fit, then unmaps all. Return: the answer to one more. */
static int fill(unsigned *ret)
{
	int r = 0;

	for (*ret = 0; !r && *ret < b->entries + 2; *ret += !r)
		r = map(RW, MIB(1) + *ret * KIB(8), page, KIB(4));
	(void)unmap(VFIO_DMA_UNMAP_FLAG_ALL, 0, 0);
	return r;
}

static int mask_other(uint32_t action)
{
	struct vfio_irq_set s = {.argsz = sizeof(s),
		.flags = DATA_NONE | action,
		.index = VFIO_PCI_MSI_IRQ_INDEX,
		.count = 1};

	return call_fd(b->other.fd, VFIO_DEVICE_SET_IRQS, &s);
}

/* @room: for this many functions. *@ret_count: how many exist, also on failure. */
static int hits(size_t room, uint32_t *ret_count)
{
	_Alignas(8) uint8_t buf[sizeof(struct vfio_pci_hot_reset_info) +
				8 * sizeof(struct vfio_pci_dependent_device)] = {0};
	struct vfio_pci_hot_reset_info *i = (void *)buf;

	i->argsz = (uint32_t)(sizeof(*i) + room * sizeof(i->devices[0]));
	int r = call_fd(b->other.fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, i);
	*ret_count = i->count;
	return r;
}

static int hot_reset(uint32_t flags, unsigned count, const int *groups)
{
	_Alignas(8) uint8_t buf[sizeof(struct vfio_pci_hot_reset) + 8 * sizeof(int32_t)] = {0};
	struct vfio_pci_hot_reset *h = (void *)buf;

	h->argsz = (uint32_t)(sizeof(*h) + count * sizeof(int32_t));
	h->flags = flags;
	h->count = count;
	for (unsigned i = 0; groups && i < count; i++)
		memcpy(h->group_fds + i, &groups[i], sizeof(int32_t));
	return call_fd(b->other.fd, VFIO_DEVICE_PCI_HOT_RESET, h);
}

static int small_info(void)
{
	struct vfio_device_info i = {.argsz = 4};

	return device(VFIO_DEVICE_GET_INFO, &i);
}

static int region(uint32_t index)
{
	struct vfio_region_info i = {.argsz = sizeof(i), .index = index};

	return device(VFIO_DEVICE_GET_REGION_INFO, &i);
}

static int irq_info(uint32_t index)
{
	struct vfio_irq_info i = {.argsz = sizeof(i), .index = index};

	return device(VFIO_DEVICE_GET_IRQ_INFO, &i);
}

static int iommu_info(uint32_t argsz)
{
	uint8_t buf[256] = {0};

	memcpy(buf, &argsz, sizeof(argsz));
	return container(VFIO_IOMMU_GET_INFO, buf);
}

static int flags_of_group(void)
{
	struct vfio_group_status s = {.argsz = sizeof(s)};
	int r = group(VFIO_GROUP_GET_STATUS, &s);

	return r < 0 ? r : (int)s.flags;
}

static int close_one(struct vfio_dev *d)
{
	vfio_dev_close(d);
	return 0;
}

static int read_config(void)
{
	struct vfio_region config;
	uint64_t v = 0;
	int r = vfio_region_info(&dev, VFIO_PCI_CONFIG_REGION_INDEX, &config, NULL);

	return r < 0 ? r : vfio_region_get(&dev, &config, PCI_VENDOR_ID, 4, &v);
}

static void containers(void)
{
	b->row("CHECK_EXTENSION of an unknown one", 0,
		container(VFIO_CHECK_EXTENSION, NUMBER(9999)));
	b->row("CHECK_EXTENSION type 1 v2", 1,
		container(VFIO_CHECK_EXTENSION, NUMBER(VFIO_TYPE1v2_IOMMU)));
	b->row("SET_IOMMU without a group", -EINVAL,
		container(VFIO_SET_IOMMU, NUMBER(VFIO_TYPE1v2_IOMMU)));
	b->row("IOMMU_GET_INFO without an IOMMU", -EINVAL, iommu_info(256));
	b->row("MAP_DMA without an IOMMU", -EINVAL, map(RW, MIB(1), page, KIB(4)));
	b->row("UNMAP_DMA without an IOMMU", -EINVAL, unmap(0, MIB(1), KIB(4)));
	b->row("an unknown ioctl without an IOMMU", -EINVAL, container(UNKNOWN_IOCTL, NULL));
}

static void groups(void)
{
	struct vfio_group second;
	char with_token[96];

	(void)snprintf(with_token, sizeof(with_token),
		"%s vf_token=8b1c3d5e-2143-4a65-87a9-cbed0f214365", b->name);
	int none = -1, wrong = open("/dev/null", O_RDWR | O_CLOEXEC);

	b->row("open of a group that is open", -EBUSY, b->group(b, &second));
	b->row("GET_STATUS viable, in no container", VFIO_GROUP_FLAGS_VIABLE, flags_of_group());
	b->row("GET_DEVICE_FD without a container", -EINVAL,
		group(VFIO_GROUP_GET_DEVICE_FD, NUMBER(b->name)));
	b->row("UNSET_CONTAINER in none", -EINVAL, group(VFIO_GROUP_UNSET_CONTAINER, NULL));
	b->row("SET_CONTAINER NULL", -EFAULT, group(VFIO_GROUP_SET_CONTAINER, NULL));
	b->row("SET_CONTAINER -1", -EBADF, group(VFIO_GROUP_SET_CONTAINER, &none));
	b->row("SET_CONTAINER of another file", -EBADFD, group(VFIO_GROUP_SET_CONTAINER, &wrong));
	b->row("an unknown ioctl of a group", -ENOTTY, group(UNKNOWN_IOCTL, NULL));
	b->row("SET_CONTAINER", 0, group(VFIO_GROUP_SET_CONTAINER, &b->c.fd));
	b->row("SET_CONTAINER twice", -EINVAL, group(VFIO_GROUP_SET_CONTAINER, &b->c.fd));
	b->row("GET_DEVICE_FD without an IOMMU", -EINVAL,
		group(VFIO_GROUP_GET_DEVICE_FD, NUMBER(b->name)));
	b->row("SET_IOMMU of another machine's", -ENODEV,
		container(VFIO_SET_IOMMU, NUMBER(OLD_IOMMU)));
	b->row("SET_IOMMU of an unknown type", -ENODEV, container(VFIO_SET_IOMMU, NUMBER(9999)));
	b->row("SET_IOMMU type 1 v2", 0, container(VFIO_SET_IOMMU, NUMBER(VFIO_TYPE1v2_IOMMU)));
	b->row("SET_IOMMU twice", -EINVAL, container(VFIO_SET_IOMMU, NUMBER(VFIO_TYPE1v2_IOMMU)));
	b->row("an unknown ioctl of a container", -ENOTTY, container(UNKNOWN_IOCTL, NULL));
	b->row("IOMMU_GET_INFO too small", -EINVAL, iommu_info(8));
	b->row("GET_DEVICE_FD of no virtual function with a token", -EINVAL,
		group(VFIO_GROUP_GET_DEVICE_FD, NUMBER(with_token)));
	b->row("GET_DEVICE_FD of no such name", -ENODEV,
		group(VFIO_GROUP_GET_DEVICE_FD, NUMBER("0000:ff:1f.7")));
	(void)close(wrong);
}

static void mappings(void)
{
	unsigned count = 0;

	b->row("MAP_DMA with no right", -EINVAL, map(0, MIB(1), page, KIB(4)));
	b->row("MAP_DMA with an unknown flag", -EINVAL, map(RW | 1u << 30, MIB(1), page, KIB(4)));
	b->row("MAP_DMA of nothing", -EINVAL, map(RW, MIB(1), page, 0));
	b->row("MAP_DMA of a size that is not whole pages", -EINVAL, map(RW, MIB(1), page, 100));
	b->row("MAP_DMA at an IOVA inside a page", -EINVAL, map(RW, MIB(1) + 8, page, KIB(4)));
	b->row("MAP_DMA of memory inside a page", -EINVAL, map(RW, MIB(1), page + 8, KIB(4)));
	b->row("MAP_DMA where MSIs go", -EINVAL, map(RW, 0xfee00000, page, KIB(4)));
	b->row("MAP_DMA beyond the last range", -EINVAL, map(RW, UINT64_C(1) << 39, page, KIB(4)));
	b->row("MAP_DMA at IOVAs that wrap", -EINVAL,
		wrap(map(RW, UINT64_MAX - KIB(4) + 1, page, KIB(8))));
	b->row("MAP_DMA of memory that wraps", -EINVAL,
		wrap(map(RW, MIB(1), NUMBER(UINT64_MAX - KIB(4) + 1), KIB(8))));
	b->row("MAP_DMA of no memory", -EFAULT, map(RW, MIB(1), NUMBER(KIB(4)), KIB(4)));
	b->row("MAP_DMA of read-only memory to write", -EFAULT, map(RW, MIB(1), read_only, KIB(4)));
	b->row("MAP_DMA of read-only memory to read", 0,
		map(VFIO_DMA_MAP_FLAG_READ, MIB(2), read_only, KIB(4)));
	b->row("MAP_DMA", 0, map(RW, MIB(1), page, KIB(16)));
	b->row("MAP_DMA over a part of it", -EEXIST, map(RW, MIB(1) + KIB(12), page, KIB(16)));
	b->row("UNMAP_DMA of its end", -EINVAL, unmap(0, MIB(1) + KIB(4), KIB(12)));
	b->row("UNMAP_DMA of its begin", -EINVAL, unmap(0, MIB(1), KIB(4)));
	b->row("UNMAP_DMA that is refused leaves the size alone", 0, refused_unmap(MIB(1), KIB(4)));
	b->row("UNMAP_DMA of its middle", -EINVAL, unmap(0, MIB(1) + KIB(4), KIB(4)));
	b->row("UNMAP_DMA at an IOVA inside a page", -EINVAL, unmap(0, MIB(1) + 8, KIB(16)));
	b->row("UNMAP_DMA of a size that is not whole pages", -EINVAL,
		unmap(0, MIB(1), KIB(16) + 100));
	b->row("UNMAP_DMA with an unknown flag", -EINVAL, unmap(1u << 30, MIB(1), KIB(16)));
	b->row("UNMAP_DMA of all from an IOVA on", -EINVAL,
		unmap(VFIO_DMA_UNMAP_FLAG_ALL, MIB(1), 0));
	b->row("UNMAP_DMA of nothing there", 0, unmap(0, MIB(64), KIB(4)));
	b->row("UNMAP_DMA of no size", -EINVAL, unmap(0, MIB(1), 0));
	b->row("UNMAP_DMA of all, and a size", -EINVAL, unmap(VFIO_DMA_UNMAP_FLAG_ALL, 0, KIB(4)));
	b->row("UNMAP_DMA of it", 4, unmap(0, MIB(1), KIB(16)));
	b->row("MAP_DMA once more", 0, map(RW, MIB(1), page, KIB(16)));
	b->row("UNMAP_DMA of two and the gap between them", 5, unmap(0, MIB(1), MIB(2)));
	b->row("UNMAP_DMA of all when there is none", 0, unmap(VFIO_DMA_UNMAP_FLAG_ALL, 0, 0));
	b->row("MAP_DMA with no mapping left", -ENOSPC, fill(&count));
	b->row("as many as the limit says", (int)b->entries, (int)count);
	b->row("MAP_DMA after that", 0, map(RW, MIB(1), page, KIB(16)));
	b->row("UNMAP_DMA of all", 4, unmap(VFIO_DMA_UNMAP_FLAG_ALL, 0, 0));
}

static void infos(void)
{
	b->row("UNSET_CONTAINER with an open device", -EBUSY,
		group(VFIO_GROUP_UNSET_CONTAINER, NULL));
	b->row("DEVICE_GET_INFO too small", -EINVAL, small_info());
	b->row("a group's ioctl of a device", -ENOTTY, device(VFIO_GROUP_SET_CONTAINER, NULL));
	b->row("GET_API_VERSION of a device", -ENOTTY, device(VFIO_GET_API_VERSION, NULL));
	b->row("SET_IOMMU of a device", -ENOTTY,
		device(VFIO_SET_IOMMU, NUMBER(VFIO_TYPE1v2_IOMMU)));
	b->row("an unknown ioctl of a device", -ENOTTY, device(UNKNOWN_IOCTL, NULL));
	b->row("REGION_INFO of configuration space", 0, region(VFIO_PCI_CONFIG_REGION_INDEX));
	b->row("REGION_INFO of VGA, which it is not", -EINVAL, region(VFIO_PCI_VGA_REGION_INDEX));
	b->row("REGION_INFO of no such index", -EINVAL, region(99));
	b->row("IRQ_INFO of ERR", 0, irq_info(VFIO_PCI_ERR_IRQ_INDEX));
	b->row("IRQ_INFO of no such kind", -EINVAL, irq_info(5));
	b->row("FEATURE unknown", -ENOTTY, feature(0xfff0 | VFIO_DEVICE_FEATURE_GET));
	b->row("FEATURE get and set", -EINVAL,
		feature(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY | VFIO_DEVICE_FEATURE_GET |
			VFIO_DEVICE_FEATURE_SET));
	b->row("FEATURE with an unknown flag", -EINVAL,
		feature(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY | 1u << 30));
	b->row("FEATURE low power, probe", 0,
		feature(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY | VFIO_DEVICE_FEATURE_SET |
			VFIO_DEVICE_FEATURE_PROBE));
	b->row("FEATURE migration, which it has not", -ENOTTY,
		feature(VFIO_DEVICE_FEATURE_MIGRATION | VFIO_DEVICE_FEATURE_GET));
	b->row("FEATURE DMA logging, which it has not", -ENOTTY,
		feature(VFIO_DEVICE_FEATURE_DMA_LOGGING_START | VFIO_DEVICE_FEATURE_SET));
	b->row("RESET", 0, device(VFIO_DEVICE_RESET, NULL));
}

static void interrupts(void)
{
	b->row("SET_IRQS of no such kind", -EINVAL, irqs(DATA_FDS | TRIGGER, 5, 0, 1));
	b->row("SET_IRQS of no such vector", -EINVAL,
		irqs(DATA_FDS | TRIGGER, VFIO_PCI_INTX_IRQ_INDEX, 0, 2));
	b->row("SET_IRQS that wraps", -EINVAL,
		irqs(DATA_NONE | TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, UINT32_MAX, 2));
	b->row("SET_IRQS shorter than its eventfds", -EINVAL, short_irqs());
	b->row("SET_IRQS of two kinds of data", -EINVAL,
		irqs(DATA_FDS | DATA_NONE | TRIGGER, VFIO_PCI_INTX_IRQ_INDEX, 0, 1));
	b->row("SET_IRQS with an unknown flag", -EINVAL,
		irqs(DATA_FDS | TRIGGER | 1u << 30, VFIO_PCI_INTX_IRQ_INDEX, 0, 1));
	b->row("mask INTx that is off", -EINVAL,
		irqs(DATA_NONE | MASK, VFIO_PCI_INTX_IRQ_INDEX, 0, 1));
	b->row("unmask INTx that is off", -EINVAL,
		irqs(DATA_NONE | UNMASK, VFIO_PCI_INTX_IRQ_INDEX, 0, 1));
	b->row("INTx off that is off", -EINVAL,
		irqs(DATA_NONE | TRIGGER, VFIO_PCI_INTX_IRQ_INDEX, 0, 0));
	b->row("INTx on", 0, irqs(DATA_FDS | TRIGGER, VFIO_PCI_INTX_IRQ_INDEX, 0, 1));
	b->row("mask INTx by an eventfd", -ENOTTY,
		irqs(DATA_FDS | MASK, VFIO_PCI_INTX_IRQ_INDEX, 0, 1));
	b->row("mask INTx", 0, irqs(DATA_NONE | MASK, VFIO_PCI_INTX_IRQ_INDEX, 0, 1));
	b->row("unmask INTx by an eventfd from now on", 0,
		irqs(DATA_FDS | UNMASK, VFIO_PCI_INTX_IRQ_INDEX, 0, 1));
	b->row("unmask INTx", 0, irqs(DATA_NONE | UNMASK, VFIO_PCI_INTX_IRQ_INDEX, 0, 1));
	b->row("signal INTx", 0, irqs(DATA_NONE | TRIGGER, VFIO_PCI_INTX_IRQ_INDEX, 0, 1));
	b->row("MSI-X while INTx is on", -EINVAL,
		irqs(DATA_FDS | TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1));
	b->row("INTx off", 0, irqs(DATA_NONE | TRIGGER, VFIO_PCI_INTX_IRQ_INDEX, 0, 0));
	b->row("MSI-X on", 0, irqs(DATA_FDS | TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1));
	b->row("INTx while MSI-X is on", -EINVAL,
		irqs(DATA_FDS | TRIGGER, VFIO_PCI_INTX_IRQ_INDEX, 0, 1));
	b->row("mask MSI-X", -ENOTTY, irqs(DATA_NONE | MASK, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1));
	b->row("signal MSI-X", 0, irqs(DATA_NONE | TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1));
	b->row("MSI-X off", 0, irqs(DATA_NONE | TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, 0, 0));
	b->row("mask REQ", -ENOTTY, irqs(DATA_NONE | MASK, VFIO_PCI_REQ_IRQ_INDEX, 0, 1));
	b->row("REQ by two eventfds", -EINVAL,
		irqs(DATA_FDS | TRIGGER, VFIO_PCI_REQ_IRQ_INDEX, 0, 2));
	b->row("REQ on", 0, irqs(DATA_FDS | TRIGGER, VFIO_PCI_REQ_IRQ_INDEX, 0, 1));
	b->row("ERR on", 0, irqs(DATA_FDS | TRIGGER, VFIO_PCI_ERR_IRQ_INDEX, 0, 1));
}

/* Of the bench's second device. */
static void bus_resets(void)
{
	const int none = -1, wrong = open("/dev/null", O_RDWR | O_CLOEXEC);
	uint32_t count = 0;
	const int two[3] = {b->g.fd, b->g.fd, b->g.fd};

	b->row("mask MSI", -ENOTTY, mask_other(MASK));
	b->row("unmask MSI", -ENOTTY, mask_other(UNMASK));
	b->row("RESET without a method", -EINVAL, call_fd(b->other.fd, VFIO_DEVICE_RESET, NULL));
	b->row("HOT_RESET_INFO without room", -ENOSPC, hits(0, &count));
	b->row("says how many there are", 2, (int)count);
	b->row("HOT_RESET_INFO with room for one of two", -ENOSPC, hits(1, &count));
	b->row("HOT_RESET_INFO", 0, hits(2, &count));
	b->row("of as many", 2, (int)count);
	b->row("HOT_RESET with no group", -EINVAL, hot_reset(0, 0, NULL));
	b->row("HOT_RESET with a flag", -EINVAL,
		hot_reset(1, b->other_group_count, b->other_groups));
	b->row("HOT_RESET with more groups than functions", -EINVAL, hot_reset(0, 3, two));
	b->row("HOT_RESET with no descriptor", -EBADF, hot_reset(0, 1, &none));
	b->row("HOT_RESET with what is no group", -EINVAL, hot_reset(0, 1, &wrong));
	b->row("HOT_RESET with a group of another bus alone", -EINVAL, hot_reset(0, 1, &b->g.fd));
	b->row("HOT_RESET with the bus's groups", 0,
		hot_reset(0, b->other_group_count, b->other_groups));
	(void)close(wrong);
}

static void regions(void)
{
	struct vfio_region config, bar;
	uint64_t command = 0, v;
	uint8_t buf[4];
	void *p;

	b->row("configuration space is there", 0,
		vfio_region_info(&dev, VFIO_PCI_CONFIG_REGION_INDEX, &config, NULL));
	b->row("BAR 0 is there", 0, vfio_region_info(&dev, VFIO_PCI_BAR0_REGION_INDEX, &bar, NULL));
	b->row("map of configuration space", -EINVAL,
		dev.ops->map(&dev, &config, 0, KIB(4), PROT_READ, NULL, &p));
	b->row("map past the end", -EINVAL,
		dev.ops->map(&dev, &bar, align_up(bar.size, KIB(4)), KIB(4), PROT_READ, NULL, &p));
	b->row("read past the end", -EINVAL, (int)dev.ops->read(&dev, &bar, bar.size, buf, 4));
	b->row("read the command register", 0,
		vfio_region_get(&dev, &config, PCI_COMMAND, 2, &command));
	b->row("bus mastering at open", 0, (int)(command & PCI_COMMAND_MASTER));
	b->row("memory off", 0, vfio_region_put(&dev, &config, PCI_COMMAND, 2, 0));
	b->row("read a BAR with memory off", -EIO, vfio_region_get(&dev, &bar, 0, 4, &v));
	b->row("memory on", 0, vfio_region_put(&dev, &config, PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
	b->row("read a BAR with memory on", 0, vfio_region_get(&dev, &bar, 0, 4, &v));
}

/*
 * Without its last group a container has no IOMMU. An open device keeps a closed container and
 * group alive.
 */
static void endings(void)
{
	struct vfio_group again = VFIO_GROUP_NONE;
	struct vfio_dev dev2 = VFIO_DEV_NONE;

	b->row("GET_DEVICE_FD twice", 0, vfio_group_device(&b->g, b->name, &dev2, NULL));
	b->row("close of one of the two", 0, close_one(&dev2));
	b->row("the other works", 0, region(VFIO_PCI_CONFIG_REGION_INDEX));
	vfio_group_close(&b->g);
	b->row("open of a group whose device is open", -EBUSY, b->group(b, &again));
	b->row("MAP_DMA after the group's close", 0, map(RW, MIB(1), page, KIB(4)));
	vfio_dev_close(&dev);
	b->row("MAP_DMA after the last device's close", -EINVAL, map(RW, MIB(2), page, KIB(4)));
	b->row("open of the group that is free", 0, b->group(b, &again));
	b->g = again;
	b->row("SET_CONTAINER again", 0, group(VFIO_GROUP_SET_CONTAINER, &b->c.fd));
	b->row("SET_IOMMU again", 0, container(VFIO_SET_IOMMU, NUMBER(VFIO_TYPE1v2_IOMMU)));
	b->row("MAP_DMA where one was before", 0, map(RW, MIB(1), page, KIB(4)));
	b->row("UNSET_CONTAINER", 0, group(VFIO_GROUP_UNSET_CONTAINER, NULL));
	b->row("IOMMU_GET_INFO after the last group", -EINVAL, iommu_info(256));
	b->row("SET_CONTAINER once more", 0, group(VFIO_GROUP_SET_CONTAINER, &b->c.fd));
	b->row("SET_IOMMU once more", 0, container(VFIO_SET_IOMMU, NUMBER(VFIO_TYPE1v2_IOMMU)));
	b->row("the device opens once more", 0, vfio_group_device(&b->g, b->name, &dev, NULL));
	vfio_container_close(&b->c);
	vfio_group_close(&b->g);
	b->row("the device after the container's and the group's close", 0, read_config());
	b->row("open of its group", -EBUSY, b->group(b, &again));
	vfio_dev_close(&dev);
	b->row("open of its group after its close", 0, b->group(b, &again));
	vfio_group_close(&again);
}

void errno_rows(struct errno_bench *bench)
{
	b = bench;
	page = mmap(NULL, KIB(64), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	read_only = mmap(NULL, KIB(4), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	containers();
	groups();
	mappings();
	b->row("the device opens", 0, vfio_group_device(&b->g, b->name, &dev, NULL));
	infos();
	interrupts();
	regions();
	bus_resets();
	endings();
	(void)munmap(page, KIB(64));
	(void)munmap(read_only, KIB(4));
}
