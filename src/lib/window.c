/* SPDX-License-Identifier: MIT */
/* Windows: parts of regions, mapped or not, that stay usable when the device disappears. */
#include "base/bits.h"
#include "base/clean.h"
#include "base/endian.h"
#include "base/num.h"
#include "base/usher_err.h"
#include "lib/device.h"
#include "lib/sigbus.h"
#include "pci/device.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static bool is_mappable(const struct vfio_region *r, uint64_t off, uint64_t size)
{
	for (size_t i = 0; i < r->area_count; i++)
		if (off >= r->areas[i].off &&
			range_ok(off - r->areas[i].off, size, r->areas[i].size))
			return true;
	return false;
}

/* Where the mapping of a window begins in its region: at a page. */
static uint64_t map_offset(const struct usher_window *w)
{
	return align_down(w->off, (uint64_t)sysconf(_SC_PAGESIZE));
}

/* The mapping of a window: whole pages around it. NULL: it is not mapped. */
static void *window_mapping(const struct usher_window *w)
{
	return w->base ? (void *)(uintptr_t)(w->base - (w->off - map_offset(w))) : NULL;
}

static size_t window_mapping_size(const struct usher_window *w)
{
	return (size_t)(w->size + (w->off - map_offset(w)));
}

/*
 * VFIO maps BARs uncached only. For prefetchable BARs sysfs has a write-combining file, which works
 * if the process may open it.
 */
static int map_combined(struct usher_window *w, void **ret)
{
	char attr[32], path[160];
	struct pci_address a;

	if (w->region > 5 || pci_address_parse(w->device->info.name, &a) < 0)
		return -ENOTSUP;
	(void)snprintf(attr, sizeof(attr), "resource%u_wc", w->region);
	if (pci_device_path(a, attr, path, sizeof(path)) < 0)
		return -ENOTSUP;
	cleanup_fd int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	void *p = mmap(NULL, window_mapping_size(w), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		(off_t)map_offset(w));
	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	w->caching = USHER_COMBINED;
	return 0;
}

static int window_map(
	struct usher_window *w, const struct vfio_region *r, enum usher_caching caching)
{
	void *mapping = NULL;
	int code = caching == USHER_COMBINED ? map_combined(w, &mapping) : -ENOTSUP;

	if (code < 0)
		code = vfio_region_map(
			&w->device->vfio, r, map_offset(w), window_mapping_size(w), NULL, &mapping);
	if (code < 0)
		return code;
	w->base = (volatile uint8_t *)mapping + (w->off - map_offset(w));
	return 0;
}

int usher_window_open(struct usher_device *d, uint32_t index, uint64_t off, uint64_t size,
	enum usher_caching caching, struct usher_window *ret, struct usher_err *e)
{
	if (index >= DEVICE_REGIONS || !d->regions[index].size)
		return err_say(
			err_from_usher(e), -EINVAL, "%s has no region %u", d->info.name, index);
	const struct vfio_region *r = &d->regions[index];
	if (!size && off < r->size)
		size = r->size - off;
	if (!size || !range_ok(off, size, r->size))
		return err_say(err_from_usher(e), -ERANGE,
			"%s: a window of 0x%" PRIx64 " bytes at 0x%" PRIx64
			" leaves region %u of 0x%" PRIx64,
			d->info.name, size, off, index, r->size);
	*ret = (struct usher_window){.size = size, .device = d, .region = index, .off = off};
	int code = is_mappable(r, off, size) ? window_map(ret, r, caching) : 0;
	if (code >= 0)
		code = sigbus_watch(ret, window_mapping(ret), window_mapping_size(ret));
	if (code < 0) {
		usher_window_close(ret);
		return err_set(err_from_usher(e), code, "%s: open a window onto region %u",
			d->info.name, index);
	}
	return 0;
}

void usher_window_close(struct usher_window *w)
{
	sigbus_forget(w);
	if (w->base)
		(void)munmap(window_mapping(w), window_mapping_size(w));
	*w = (struct usher_window){.gone = 1};
}

void device_windows_close(struct usher_device *d)
{
	for (size_t i = 0; i < SIGBUS_WINDOWS_MAX; i++) {
		struct usher_window *w = sigbus_window(i, d);
		if (w)
			usher_window_close(w);
	}
}

static bool decodes_memory(struct usher_device *d)
{
	uint32_t command = 0;

	return !usher_config_read(d, PCI_COMMAND, 2, &command) && command & PCI_COMMAND_MEMORY;
}

int usher_window_revive(struct usher_window *w)
{
	if (!w->device || !device_answers(w->device) || !decodes_memory(w->device))
		return -ENODEV;
	if (w->base) {
		void *p;
		int r = vfio_region_map(&w->device->vfio, &w->device->regions[w->region],
			map_offset(w), window_mapping_size(w), window_mapping(w), &p);
		if (r < 0)
			return r;
		w->caching = USHER_UNCACHED;
	}
	w->gone = 0;
	return 0;
}

/* An access through the kernel that fails means that the device is gone for this window. */
static int window_verdict(struct usher_window *w, int r)
{
	if (r != -EIO && r != -ENODEV)
		return r;
	w->gone = 1;
	return -ENODEV;
}

int usher_window_load(struct usher_window *w, uint64_t off, unsigned size, uint64_t *ret)
{
	uint8_t buf[8];

	*ret = all_ones(size);
	if (size > sizeof(buf) || !range_ok(off, size, w->size))
		return w->device ? -ERANGE : -ENODEV;
	if (w->gone)
		return -ENODEV;
	int r = window_verdict(w, usher_region_read(w->device, w->region, w->off + off, buf, size));
	if (r < 0)
		return r;
	*ret = le_get(buf, size);
	return *ret == all_ones(size) ? usher_window_ones(w) : 0;
}

int usher_window_store(struct usher_window *w, uint64_t off, unsigned size, uint64_t value)
{
	uint8_t buf[8];

	if (size > sizeof(buf) || !range_ok(off, size, w->size))
		return w->device ? -ERANGE : -ENODEV;
	if (w->gone)
		return -ENODEV;
	le_put(buf, size, value);
	return window_verdict(w, usher_region_write(w->device, w->region, w->off + off, buf, size));
}

int usher_window_ones(struct usher_window *w)
{
	if (w->gone)
		return -ENODEV;
	if (device_answers(w->device))
		return 0;
	w->gone = 1;
	return -ENODEV;
}

static int read_whole(struct usher_window *w, uint64_t off, uint64_t *ret)
{
	if (!w->base)
		return usher_window_load(w, off, 8, ret);
	uint64_t v = USHER_LE64(*(const volatile uint64_t *)(const volatile void *)(w->base + off));
	usher_rmb();
	/* If the window is gone, the page is memory, which may hold what was stored since. */
	if (w->gone)
		return -ENODEV;
	*ret = v;
	return v == UINT64_MAX ? usher_window_ones(w) : 0;
}

int usher_read64(struct usher_window *w, uint64_t off, uint64_t *ret)
{
	const uint64_t first = w->split == USHER_HIGH_FIRST ? 4 : 0;
	uint32_t half[2];

	*ret = UINT64_MAX;
	if (!range_ok(off, 8, w->size))
		return w->device ? -ERANGE : -ENODEV;
	if (w->split == USHER_WHOLE)
		return read_whole(w, off, ret);
	int r = usher_read32(w, off + first, &half[first / 4]);
	if (r >= 0)
		r = usher_read32(w, off + (4 - first), &half[1 - first / 4]);
	if (r >= 0)
		*ret = (uint64_t)half[1] << 32 | half[0];
	return r;
}

int usher_write64(struct usher_window *w, uint64_t off, uint64_t v)
{
	const uint64_t first = w->split == USHER_HIGH_FIRST ? 4 : 0;

	if (!range_ok(off, 8, w->size))
		return w->device ? -ERANGE : -ENODEV;
	if (w->split == USHER_WHOLE) {
		usher_wmb();
		if (!w->base)
			return usher_window_store(w, off, 8, v);
		*(volatile uint64_t *)(volatile void *)(w->base + off) = USHER_LE64(v);
		return w->gone ? -ENODEV : 0;
	}
	int r = usher_write32(w, off + first, (uint32_t)(v >> (8 * first)));
	if (r >= 0)
		r = usher_write32(w, off + (4 - first), (uint32_t)(v >> (8 * (4 - first))));
	return r;
}
