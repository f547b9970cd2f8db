/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/num.h"
#include "ioas_rows.h"
#include "vfio/device.h"
#include "vfio/feature.h"
#include "vfio/irq.h"
#include "vfio/region.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define RW (VFIO_DMA_READ | VFIO_DMA_WRITE)

static const struct ioas_bench *b;
static struct vfio_ioas s;
static struct vfio_dev first, second;
static struct vfio_iommu iommu;
static char *page, *read_only;
static struct err e;

static int map(unsigned access, uint64_t iova, void *host, uint64_t size)
{
	return vfio_ioas_map(&s, IOVA(iova), host, size, access, &e);
}

static int unmap(uint64_t iova, uint64_t size)
{
	return vfio_ioas_unmap(&s, IOVA(iova), size, &e);
}

/* Back ends differ in why they refuse to cut a mapping in two. */
static int refused(int r)
{
	return r == -EINVAL || r == -ENOENT ? -1 : r;
}

static int attach(const struct vfio_member *m, struct vfio_dev *ret)
{
	return vfio_ioas_attach(&s, m, ret, &e);
}

static int detach(struct vfio_dev *d)
{
	vfio_ioas_detach(&s, d);
	return (int)s.members;
}

static int attach_unknown(void)
{
	struct vfio_member m = b->first;
	struct vfio_dev d;

	m.name = "0000:ff:1f.7";
	return attach(&m, &d);
}

/* Results of another space for a device. */
static int attach_elsewhere(const struct vfio_member *m)
{
	struct vfio_ioas other;
	struct vfio_dev d = VFIO_DEV_NONE;
	int r = vfio_ioas_open(b->ops, &other, &e);

	if (r < 0)
		return r;
	r = vfio_ioas_attach(&other, m, &d, &e);
	vfio_ioas_detach(&other, &d);
	vfio_ioas_close(&other);
	return r;
}

static int ranges_ascend(void)
{
	for (size_t i = 0; i < iommu.range_count; i++) {
		if (iommu.ranges[i].first.v > iommu.ranges[i].last.v)
			return 0;
		if (i && iommu.ranges[i].first.v <= iommu.ranges[i - 1].last.v)
			return 0;
	}
	return iommu.range_count > 0;
}

static void members(void)
{
	b->row("open", 0, vfio_ioas_open(b->ops, &s, &e));
	b->row("a new space has no member", 0, (int)s.members);
	b->row("attach of an unknown device", -ENODEV, attach_unknown());
	b->row("which is no member", 0, (int)s.members);
	b->row("attach", 0, attach(&b->first, &first));
	b->row("one member", 1, (int)s.members);
	b->row("attach to another space at the same time", -EBUSY, attach_elsewhere(&b->first));
	b->row("info", 0, vfio_ioas_info(&s, &iommu, &e));
	b->row("pages of 4 KiB", 1, !!(iommu.page_sizes & KIB(4)));
	b->row("ranges ascend", 1, ranges_ascend());
	b->row("the space owns the device's group", 1, vfio_ioas_owns(&s, first.group));
	b->row("and no other", 0, vfio_ioas_owns(&s, 1 << 20));
}

static void mappings(void)
{
	b->row("map with no access", -EINVAL, map(0, MIB(1), page, KIB(4)));
	b->row("map nothing", -EINVAL, map(RW, MIB(1), page, 0));
	b->row("map a part of a page", -EINVAL, map(RW, MIB(1), page, 100));
	b->row("map at an IOVA inside a page", -EINVAL, map(RW, MIB(1) + 8, page, KIB(4)));
	b->row("map memory inside a page", -EINVAL, map(RW, MIB(1), page + 8, KIB(4)));
	b->row("map where MSIs go", -EINVAL, map(RW, 0xfee00000, page, KIB(4)));
	b->row("map no memory", -EFAULT, map(RW, MIB(1), (void *)KIB(4), KIB(4)));
	b->row("map read-only memory to write", -EFAULT, map(RW, MIB(1), read_only, KIB(4)));
	b->row("map read-only memory to read", 0, map(VFIO_DMA_READ, MIB(2), read_only, KIB(4)));
	b->row("unmap it", 0, unmap(MIB(2), KIB(4)));
	b->row("map", 0, map(RW, MIB(1), page, KIB(16)));
	b->row("map over its end", -EEXIST, map(RW, MIB(1) + KIB(12), page, KIB(16)));
	b->row("unmap its begin", -1, refused(unmap(MIB(1), KIB(4))));
	b->row("unmap its end", -1, refused(unmap(MIB(1) + KIB(4), KIB(12))));
	b->row("unmap its middle", -1, refused(unmap(MIB(1) + KIB(4), KIB(4))));
	b->row("unmap no size", -EINVAL, unmap(MIB(1), 0));
	b->row("unmap more than there is", -EIO, unmap(MIB(1), KIB(32)));
	b->row("map once more", 0, map(RW, MIB(1), page, KIB(16)));
	b->row("unmap", 0, unmap(MIB(1), KIB(16)));
	b->row("unmap nothing", -ENOENT, unmap(MIB(1), KIB(16)));
}

static void sharing(void)
{
	b->row("map for two", 0, map(RW, MIB(1), page, KIB(4)));
	b->row("attach a second device", 0, attach(&b->second, &second));
	b->row("two members", 2, (int)s.members);
	b->row("the mapping is the second's, too", -EEXIST, map(RW, MIB(1), page, KIB(4)));
	b->row("detach the first device", 1, detach(&first));
	b->row("the mapping stays", -EEXIST, map(RW, MIB(1), page, KIB(4)));
	b->row("the first is free for another space", 0, attach_elsewhere(&b->first));
	b->row("attach it again", 0, attach(&b->first, &first));
	b->row("unmap for two", 0, unmap(MIB(1), KIB(4)));
}

static void binding(void)
{
	const int group = b->second.group;

	b->row("bind a group", 0, vfio_ioas_bind(&s, &b->second, &e));
	b->row("bind it twice", -EEXIST, vfio_ioas_bind(&s, &b->second, &e));
	b->row("unbind with an open device", -EBUSY, vfio_ioas_unbind(&s, group, &e));
	b->row("close the device", 2, detach(&second));
	b->row("the group is the space's", -EBUSY, attach_elsewhere(&b->second));
	b->row("open the device again", 0, attach(&b->second, &second));
	b->row("close it again", 2, detach(&second));
	b->row("unbind", 0, vfio_ioas_unbind(&s, group, &e));
	b->row("unbind twice", -ENOENT, vfio_ioas_unbind(&s, group, &e));
	b->row("the group is free", 0, attach_elsewhere(&b->second));
}

static void no_binding(void)
{
	b->row("bind a group", -ENOTSUP, vfio_ioas_bind(&s, &b->second, &e));
	b->row("unbind a group", -ENOENT, vfio_ioas_unbind(&s, b->second.group, &e));
	b->row("close the device", 1, detach(&second));
	b->row("the device is free", 0, attach_elsewhere(&b->second));
}

static int map_bar(void)
{
	struct vfio_region r;
	void *p;

	for (uint32_t i = VFIO_PCI_BAR0_REGION_INDEX; i <= VFIO_PCI_BAR5_REGION_INDEX; i++) {
		if (vfio_region_info(&first, i, &r, &e) < 0 || !r.area_count)
			continue;
		int code = vfio_region_map(&first, &r, r.areas[0].off, KIB(4), NULL, &p);
		return code < 0 ? code : munmap(p, KIB(4));
	}
	return -ENOENT;
}

static void regions(void)
{
	struct vfio_region r;
	uint64_t v = UINT16_MAX;

	b->row("nine regions", 9, (int)first.region_count);
	b->row("configuration space", 0,
		vfio_region_info(&first, VFIO_PCI_CONFIG_REGION_INDEX, &r, &e));
	b->row("read the vendor", 0, vfio_region_get(&first, &r, PCI_VENDOR_ID, 2, &v));
	b->row("which is one", 1, v != UINT16_MAX);
	b->row("read past the end", -ERANGE, vfio_region_get(&first, &r, r.size - 1, 2, &v));
	b->row("bus mastering on", 0,
		vfio_region_put(
			&first, &r, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY));
	b->row("read it back", PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY,
		vfio_region_get(&first, &r, PCI_COMMAND, 2, &v) < 0 ? -1 : (int)v & 6);
	b->row("no such region", -EINVAL, vfio_region_info(&first, 99, &r, &e));
	b->row("map a BAR", 0, map_bar());
}

static void interrupts(void)
{
	struct vfio_irqs q;
	eventfd_t count = 0;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	b->row("five kinds of interrupts", 5, (int)first.irq_count);
	b->row("MSI-X", 0, vfio_irq_info(&first, VFIO_PCI_MSIX_IRQ_INDEX, &q, &e));
	b->row("has vectors", 1, q.count > 0);
	b->row("no such kind", -EINVAL, vfio_irq_info(&first, 5, &q, &e));
	b->row("off when it is off", -EINVAL, vfio_irq_disable(&first, VFIO_PCI_MSIX_IRQ_INDEX));
	b->row("on", 0, vfio_irq_set(&first, VFIO_PCI_MSIX_IRQ_INDEX, 0, &fd, 1));
	b->row("another kind beside it", -EINVAL,
		vfio_irq_set(&first, VFIO_PCI_INTX_IRQ_INDEX, 0, &fd, 1));
	b->row("mask MSI-X", -ENOTTY, vfio_irq_mask(&first, VFIO_PCI_MSIX_IRQ_INDEX));
	b->row("fire", 0, vfio_irq_fire(&first, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1));
	b->row("the eventfd is signalled", 1, eventfd_read(fd, &count) < 0 ? -errno : (int)count);
	b->row("off", 0, vfio_irq_disable(&first, VFIO_PCI_MSIX_IRQ_INDEX));
	b->row("INTx on", 0, vfio_irq_set(&first, VFIO_PCI_INTX_IRQ_INDEX, 0, &fd, 1));
	b->row("mask INTx", 0, vfio_irq_mask(&first, VFIO_PCI_INTX_IRQ_INDEX));
	b->row("an eventfd unmasks INTx", 0,
		vfio_irq_unmask_fd(&first, VFIO_PCI_INTX_IRQ_INDEX, fd));
	b->row("unmask INTx", 0, vfio_irq_unmask(&first, VFIO_PCI_INTX_IRQ_INDEX));
	b->row("INTx off", 0, vfio_irq_disable(&first, VFIO_PCI_INTX_IRQ_INDEX));
	(void)close(fd);
}

static void abilities(void)
{
	b->row("low power", 1,
		vfio_feature_has(
			&first, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, VFIO_DEVICE_FEATURE_SET));
	b->row("an unknown feature", -ENOTTY,
		vfio_feature_use(&first, 0xfff0, VFIO_DEVICE_FEATURE_GET, NULL, 0));
	b->row("reset", 0, vfio_dev_reset(&first, &e));
}

/*
 * The last member that leaves removes the mappings. Closing a space closes all that is bound to it.
 */
static void endings(void)
{
	b->row("map before the end", 0, map(RW, MIB(1), page, KIB(4)));
	b->row("the last member leaves", 0, detach(&first));
	vfio_ioas_close(&s);
	b->row("closed", 1, !s.ops);
	b->row("open again", 0, vfio_ioas_open(b->ops, &s, &e));
	b->row("attach again", 0, attach(&b->first, &first));
	b->row("map where a mapping was", 0, map(RW, MIB(1), page, KIB(4)));
	b->row("detach again", 0, detach(&first));
	if (b->ops->bind)
		b->row("bind, to be closed", 0, vfio_ioas_bind(&s, &b->first, &e));
	vfio_ioas_close(&s);
	b->row("a closed space holds nothing", 0, attach_elsewhere(&b->first));
}

void ioas_rows(const struct ioas_bench *bench)
{
	b = bench;
	page = mmap(NULL, KIB(64), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	read_only = mmap(NULL, KIB(4), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	members();
	mappings();
	sharing();
	if (b->ops->bind)
		binding();
	else
		no_binding();
	regions();
	interrupts();
	abilities();
	endings();
	(void)munmap(page, KIB(64));
	(void)munmap(read_only, KIB(4));
}
