/* SPDX-License-Identifier: MIT */
#include "model/pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/endian.h"
#include "base/fd.h"
#include "base/num.h"
#include "vfio/dma.h"

#define REGION_SHIFT 40
#define PAGE 4096u

static bool masters(const struct model *m)
{
	return le16_get(m->config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

void model_init(struct model *m, const struct model_kind *kind, struct model_space *space)
{
	*m = (struct model){.kind = kind, .space = space, .irq_on = -1, .mapped_fd = -1};
	for (unsigned i = 0; i < MODEL_VECTORS; i++)
		m->event_fds[i] = -1;
	le16_put(m->config + PCI_VENDOR_ID, kind->vendor);
	le16_put(m->config + PCI_DEVICE_ID, kind->device);
	le32_put(m->config + PCI_CLASS_REVISION, kind->class << 8);
	le16_put(m->config + PCI_COMMAND, PCI_COMMAND_MEMORY);
	kind->reset(m);
}

void model_fini(struct model *m)
{
	if (m->mapped)
		(void)munmap(m->mapped, PAGE);
	m->mapped = NULL;
	fd_close(&m->mapped_fd);
}

int model_map_page(struct model *m, uint32_t off)
{
	m->mapped_fd = memfd_create("model", MFD_CLOEXEC);
	if (m->mapped_fd < 0 || ftruncate(m->mapped_fd, PAGE) < 0)
		return -errno;
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, m->mapped_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	m->mapped = p;
	m->mapped_off = off;
	return 0;
}

void model_break(struct model *m, enum model_fault fault, unsigned after, unsigned count)
{
	m->fault = fault;
	m->fault_after = after;
	m->fault_count = count;
}

enum model_fault model_meets(struct model *m)
{
	if (m->fault_after) {
		m->fault_after--;
		return MODEL_FAULT_NONE;
	}
	if (!m->fault_count)
		return MODEL_FAULT_NONE;
	m->fault_count--;
	if (m->fault == MODEL_FAULT_VANISH)
		m->gone = true;
	return m->fault;
}

void *model_dma(struct model *m, uint64_t iova, uint64_t len, uint32_t access)
{
	if (!masters(m)) {
		m->lost++;
		return NULL;
	}
	return model_space_reach(m->space, iova, len, access);
}

static void fire(struct model *m, unsigned vector)
{
	const uint64_t one = 1;

	if (vector < MODEL_VECTORS && m->event_fds[vector] >= 0)
		(void)!write(m->event_fds[vector], &one, sizeof(one));
}

void model_signal(struct model *m, unsigned vector)
{
	if (m->irq_on != VFIO_PCI_MSI_IRQ_INDEX && m->irq_on != VFIO_PCI_MSIX_IRQ_INDEX)
		return;
	/* A message is a DMA write. */
	if (masters(m))
		fire(m, vector);
	else
		m->lost++;
}

/* VFIO masks the line at each signal, until somebody unmasks it: then a line still up signals. */
static void line_check(struct model *m)
{
	if (!m->line || m->masked || m->irq_on != VFIO_PCI_INTX_IRQ_INDEX)
		return;
	m->masked = true;
	fire(m, 0);
}

void model_line(struct model *m, bool up)
{
	m->line = up;
	line_check(m);
}

static uint32_t irq_count(const struct model *m, uint32_t index)
{
	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return m->kind->intx;
	case VFIO_PCI_MSI_IRQ_INDEX:
		return m->kind->msi;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return m->kind->msix;
	default:
		return 0;
	}
}

static int irq_info(const struct model *m, struct vfio_irq_info *i)
{
	if (i->index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	i->count = irq_count(m, i->index);
	i->flags = VFIO_IRQ_INFO_EVENTFD;
	if (i->index == VFIO_PCI_INTX_IRQ_INDEX)
		i->flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	if (i->index == VFIO_PCI_MSI_IRQ_INDEX)
		i->flags |= VFIO_IRQ_INFO_NORESIZE;
	return 0;
}

static void irq_off(struct model *m)
{
	m->irq_on = -1;
	m->masked = false;
	for (unsigned i = 0; i < MODEL_VECTORS; i++)
		m->event_fds[i] = -1;
}

static int mask_irqs(struct model *m, const struct vfio_irq_set *s)
{
	if (s->index != VFIO_PCI_INTX_IRQ_INDEX)
		return -ENOTTY;
	if (m->irq_on != VFIO_PCI_INTX_IRQ_INDEX)
		return -EINVAL;
	m->masked = s->flags & VFIO_IRQ_SET_ACTION_MASK;
	line_check(m);
	return 0;
}

static int set_irqs(struct model *m, const struct vfio_irq_set *s)
{
	uint32_t count = irq_count(m, s->index);

	if (s->start >= count || !range_ok(s->start, s->count, min_u64(count, MODEL_VECTORS)))
		return -EINVAL;
	if (s->flags & (VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK))
		return mask_irqs(m, s);
	if (m->irq_on >= 0 && m->irq_on != (int)s->index)
		return -EINVAL;
	if (s->flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		memcpy(m->event_fds + s->start, s->data, s->count * sizeof(int32_t));
		m->irq_on = (int)s->index;
		line_check(m);
		return 0;
	}
	if (m->irq_on < 0)
		return -EINVAL;
	for (uint32_t i = 0; i < s->count; i++)
		fire(m, s->start + i);
	if (!s->count)
		irq_off(m);
	return 0;
}

struct region_answer {
	struct vfio_region_info info;
	/* struct vfio_region_info_cap_sparse_mmap, whose array has no length */
	struct vfio_info_cap_header cap;
	uint32_t nr_areas;
	uint32_t reserved;
	struct vfio_region_sparse_mmap_area area;
};

static int region_info(const struct model *m, struct vfio_region_info *to)
{
	struct region_answer full = {.info = {.argsz = sizeof(full.info), .index = to->index}};
	uint32_t room = to->argsz;

	if (to->index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	full.info.offset = (uint64_t)to->index << REGION_SHIFT;
	if (to->index == VFIO_PCI_CONFIG_REGION_INDEX)
		full.info.size = sizeof(m->config);
	else if (to->index == VFIO_PCI_BAR0_REGION_INDEX)
		full.info.size = m->kind->bar_size;
	if (full.info.size)
		full.info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (to->index == VFIO_PCI_BAR0_REGION_INDEX && m->mapped) {
		full.info.flags |= VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
		full.info.argsz = sizeof(full);
		full.info.cap_offset = offsetof(struct region_answer, cap);
		full.cap.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
		full.cap.version = 1;
		full.nr_areas = 1;
		full.area.offset = m->mapped_off;
		full.area.size = PAGE;
	}
	if (room < full.info.argsz)
		full.info.cap_offset = 0;
	memcpy(to, &full, min_u64(room, sizeof(full)));
	return 0;
}

static int reset(struct model *m)
{
	if (m->gone)
		return -EIO;
	m->resets++;
	m->line = false;
	le16_put(m->config + PCI_COMMAND, PCI_COMMAND_MEMORY);
	m->kind->reset(m);
	return 0;
}

static int model_call(struct vfio_dev *d, unsigned long request, void *arg)
{
	struct model *m = d->model;
	struct vfio_device_info *info = arg;

	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		info->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
		info->num_regions = VFIO_PCI_NUM_REGIONS;
		info->num_irqs = VFIO_PCI_NUM_IRQS;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(m, arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return irq_info(m, arg);
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(m, arg);
	case VFIO_DEVICE_RESET:
		return reset(m);
	default:
		return -ENOTTY;
	}
}

static bool decodes(const struct model *m)
{
	return !m->gone && le16_get(m->config + PCI_COMMAND) & PCI_COMMAND_MEMORY;
}

/* Where @off leads. Return: 0 config, 1 BAR, -EINVAL. */
static int locate(const struct model *m, uint64_t off, size_t len, uint32_t *at)
{
	unsigned index = (unsigned)(off >> REGION_SHIFT);

	off &= mask64(REGION_SHIFT);
	*at = (uint32_t)off;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return range_ok(off, len, sizeof(m->config)) ? 0 : -EINVAL;
	if (index != VFIO_PCI_BAR0_REGION_INDEX || !range_ok(off, len, m->kind->bar_size))
		return -EINVAL;
	return is_pow2(len) && len <= 8 && !(off & (len - 1)) ? 1 : -EINVAL;
}

static ssize_t model_read(struct vfio_dev *d, void *buf, size_t len, uint64_t off)
{
	struct model *m = d->model;
	uint32_t at;
	int bar = locate(m, off, len, &at);

	if (bar < 0)
		return bar;
	if (bar && !decodes(m))
		return -EIO;
	if (bar)
		le_put(buf, (unsigned)len, m->kind->read(m, at, (unsigned)len));
	else if (m->gone)
		memset(buf, 0xff, len);
	else
		memcpy(buf, m->config + at, len);
	return (ssize_t)len;
}

static ssize_t model_write(struct vfio_dev *d, const void *buf, size_t len, uint64_t off)
{
	struct model *m = d->model;
	uint32_t at;
	int bar = locate(m, off, len, &at);

	if (bar < 0)
		return bar;
	if (bar && !decodes(m))
		return -EIO;
	if (bar)
		m->kind->write(m, at, (unsigned)len, le_get(buf, (unsigned)len));
	else if (at == PCI_COMMAND && len == 2)
		memcpy(m->config + at, buf, len);
	return (ssize_t)len;
}

static int model_map(struct vfio_dev *d, void *at, size_t len, int prot, uint64_t off, void **ret)
{
	struct model *m = d->model;

	if (!m->mapped || len != PAGE ||
		off != ((uint64_t)VFIO_PCI_BAR0_REGION_INDEX << REGION_SHIFT | m->mapped_off))
		return -EINVAL;
	void *p = mmap(at, len, prot, MAP_SHARED | (at ? MAP_FIXED : 0), m->mapped_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

static void model_close(struct vfio_dev *d)
{
	irq_off(d->model);
}

int model_device(struct model *m, struct vfio_dev *ret, struct err *e)
{
	static const struct vfio_dev_ops ops = {
		.call = model_call,
		.read = model_read,
		.write = model_write,
		.map = model_map,
		.close = model_close,
	};

	return vfio_dev_from_model(&ops, m, ret, e);
}
