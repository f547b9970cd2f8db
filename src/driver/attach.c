/* SPDX-License-Identifier: MIT */
#include "driver/attach.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"

#define DMA_PAGE 4096u
#define IOVA_FIRST MIB(1) /* address 0 is what a forgotten field holds: never valid */
#define IOVA_GUARD DMA_PAGE /* between two buffers: running over one's end faults */

int attach_open(const struct vfio_container *c, const struct vfio_dev *d, struct attachment *ret,
	struct err *e)
{
	*ret = (struct attachment){.container = *c, .dev = *d, .next_iova = IOVA_FIRST};
	int r = vfio_container_info(&ret->container, &ret->iommu, e);
	if (r < 0)
		return r;
	return vfio_region_info(&ret->dev, VFIO_PCI_CONFIG_REGION_INDEX, &ret->config, e);
}

int attach_fds(int container, int device, struct attachment *ret, struct err *e)
{
	struct vfio_container c = VFIO_CONTAINER_NONE;
	struct vfio_dev d = VFIO_DEV_NONE;

	*ret = ATTACHMENT_NONE;
	int r = vfio_container_from_fd(container, &c, e);
	if (r < 0)
		return r;
	r = vfio_dev_from_fd(device, &d, e);
	if (r < 0) {
		vfio_container_close(&c);
		return r;
	}
	return attach_open(&c, &d, ret, e);
}

/* The word of @name, or the first: "0000:01:00.0=fd:3,none,4". Return: NULL when there is none. */
static const char *find_word(const char *text, const char *name)
{
	while (text && *text) {
		const char *is = strchr(text, '=');
		if (!is)
			return NULL;
		if (!name || (strlen(name) == (size_t)(is - text) &&
				     strncmp(text, name, (size_t)(is - text)) == 0))
			return is + 1;
		text = strchr(is, ' ');
		text += text ? 1 : 0;
	}
	return NULL;
}

int attach_inherit(const char *name, struct attachment *ret, struct err *e)
{
	const char *word = find_word(getenv(ATTACH_VARIABLE), name);
	int container, device;

	*ret = ATTACHMENT_NONE;
	if (!word) {
		(void)err_say(e, -ENOENT, "%s was not handed over", name ? name : "a device");
		err_hint(e, "start this program by 'usher exec --device ADDRESS -- PROGRAM'");
		return -ENOENT;
	}
	if (sscanf(word, "fd:%d,none,%d", &container, &device) != 2)
		return err_say(e, -EINVAL, ATTACH_VARIABLE " does not name descriptors");
	/* A program started from this one is no driver. */
	(void)fd_set_cloexec(container, 1);
	(void)fd_set_cloexec(device, 1);
	return attach_fds(container, device, ret, e);
}

void attach_close(struct attachment *a)
{
	vfio_dev_close(&a->dev);
	vfio_container_close(&a->container);
	*a = ATTACHMENT_NONE;
}

int attach_master(struct attachment *a, bool on, struct err *e)
{
	uint64_t command;

	int r = vfio_region_get(&a->dev, &a->config, PCI_COMMAND, 2, &command);
	if (r == 0) {
		command &= ~(uint64_t)PCI_COMMAND_MASTER;
		command |= PCI_COMMAND_MEMORY | (on ? PCI_COMMAND_MASTER : 0);
		r = vfio_region_put(&a->dev, &a->config, PCI_COMMAND, 2, command);
	}
	return r < 0 ? err_set(e, r, "turn bus mastering %s", on ? "on" : "off") : 0;
}

int attach_expect(struct attachment *a, uint16_t vendor, uint16_t device, struct err *e)
{
	uint64_t id;

	int r = vfio_region_get(&a->dev, &a->config, PCI_VENDOR_ID, 4, &id);
	if (r < 0)
		return err_set(e, r, "read the device's identity");
	if (id == (vendor | (uint32_t)device << 16))
		return 0;
	return err_say(e, -ENODEV, "the device is %04x:%04x, this driver is for %04x:%04x",
		(unsigned)id & 0xffff, (unsigned)id >> 16, vendor, device);
}

/* The next free addresses that the IOMMU takes, at most @mask; buffers are few and long-lived. */
static int pick_iova(struct attachment *a, uint64_t size, uint64_t mask, uint64_t *ret)
{
	uint64_t at = a->next_iova;

	for (size_t i = 0; i < a->iommu.range_count; i++) {
		const struct vfio_span *s = &a->iommu.ranges[i];
		if (at > s->last.v)
			continue;
		at = max_u64(at, align_up(s->first.v, DMA_PAGE));
		if (size - 1 > s->last.v - at)
			continue;
		break;
	}
	if (at > mask || size - 1 > mask - at)
		return -ENOSPC;
	*ret = at;
	return 0;
}

static void hint_memlock(const struct attachment *a, uint64_t size, struct err *e)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_MEMLOCK, &l) || l.rlim_cur >= a->locked + size)
		return;
	err_hint(e,
		"this driver needs %" PRIu64 " KiB of locked memory now, and RLIMIT_MEMLOCK is "
		"%" PRIu64 " KiB: 'usher exec --memlock %" PRIu64 "K', ulimit -l or LimitMEMLOCK=",
		(a->locked + size) >> 10, (uint64_t)l.rlim_cur >> 10, (a->locked + size) >> 10);
}

int dma_buf_new(
	struct attachment *a, uint64_t size, uint64_t mask, struct dma_buf *ret, struct err *e)
{
	uint64_t iova = 0;

	size = align_up(size, DMA_PAGE);
	int r = size ? pick_iova(a, size, mask, &iova) : -EINVAL;
	if (r < 0)
		return err_set(
			e, r, "%" PRIu64 " bytes of I/O addresses up to 0x%" PRIx64, size, mask);
	/* Shared: a fork() must not turn the pinned pages into somebody else's by copy-on-write. */
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return err_set(e, -errno, "%" PRIu64 " bytes of memory for DMA", size);
	r = vfio_dma_map(&a->container, IOVA(iova), mem, size, VFIO_DMA_READ | VFIO_DMA_WRITE, e);
	if (r < 0) {
		if (r == -ENOMEM)
			hint_memlock(a, size, e);
		(void)munmap(mem, size);
		return r;
	}
	a->next_iova = iova + size + IOVA_GUARD;
	a->locked += size;
	*ret = (struct dma_buf){.mem = mem, .iova = iova, .size = size};
	return 0;
}

int dma_buf_free(struct attachment *a, struct dma_buf *b, struct err *e)
{
	if (!b->mem)
		return 0;
	int r = vfio_dma_unmap(&a->container, IOVA(b->iova), b->size, e);
	/* Memory that a device may still write is leaked rather than given to somebody else. */
	if (r == 0) {
		(void)munmap(b->mem, b->size);
		a->locked -= b->size;
	}
	*b = (struct dma_buf){0};
	return r;
}

int window_open(
	struct attachment *a, uint32_t index, uint64_t least, struct window *ret, struct err *e)
{
	struct window w = {.dev = &a->dev};
	void *mem;

	int r = vfio_region_info(&a->dev, index, &w.region, e);
	if (r < 0)
		return r;
	if (w.region.size < least)
		return err_say(e, -ENODEV, "BAR %u has %" PRIu64 " bytes, not %" PRIu64, index,
			w.region.size, least);
	if (w.region.area_count) {
		w.mapped = w.region.areas[0];
		r = vfio_region_map(&a->dev, &w.region, w.mapped.off, w.mapped.size, NULL, &mem);
		/* Without the mapping all is slower, and as right. */
		if (r == 0)
			w.mem = mem;
	}
	*ret = w;
	return 0;
}

void window_close(struct window *w)
{
	if (w->mem)
		(void)munmap(w->mem, w->mapped.size);
	*w = (struct window){0};
}

volatile uint32_t *window_at(const struct window *w, uint64_t off)
{
	if (!w->mem || off < w->mapped.off || !range_ok(off - w->mapped.off, 4, w->mapped.size))
		return NULL;
	return (volatile uint32_t *)(void *)(w->mem + (off - w->mapped.off));
}

uint32_t window_get32(struct window *w, uint64_t off)
{
	volatile uint32_t *at = window_at(w, off);
	uint64_t value;

	if (at)
		return le32toh(*at);
	return vfio_region_get(w->dev, &w->region, off, 4, &value) < 0 ? UINT32_MAX
								       : (uint32_t)value;
}

uint64_t window_get64(struct window *w, uint64_t off)
{
	uint64_t low = window_get32(w, off);

	return low | (uint64_t)window_get32(w, off + 4) << 32;
}

void window_put32(struct window *w, uint64_t off, uint32_t value)
{
	volatile uint32_t *at = window_at(w, off);

	if (at)
		*at = htole32(value);
	else
		(void)vfio_region_put(w->dev, &w->region, off, 4, value);
}

void window_put64(struct window *w, uint64_t off, uint64_t value)
{
	window_put32(w, off, (uint32_t)value);
	window_put32(w, off + 4, (uint32_t)(value >> 32));
}
