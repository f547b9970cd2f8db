/* SPDX-License-Identifier: MIT */
/* Configuration space: registers, capabilities, bus mastering. */
#include "base/bits.h"
#include "base/usher_err.h"
#include "lib/device.h"

#include <errno.h>
#include <linux/pci_regs.h>

/*
 * Read class and revision, because the device itself answers them. The vendor ID and much of the
 * command register are vfio-pci's memory, which answers for an unplugged device, too
 * (vfio_pci_config.c, ALL_VIRT).
 */
bool device_answers(struct usher_device *d)
{
	uint64_t v = 0;
	int r = vfio_region_get(&d->vfio, &d->regions[USHER_CONFIG], PCI_CLASS_REVISION, 4, &v);

	d->gone = r < 0 || v == UINT32_MAX;
	return !d->gone;
}

int device_verdict(struct usher_device *d, int r)
{
	if (r != -EIO && r != -ENODEV && r != -EINVAL)
		return r;
	return device_answers(d) ? r : -ENODEV;
}

static bool is_register(uint32_t off, unsigned size)
{
	return (size == 1 || size == 2 || size == 4) && off % size == 0;
}

int usher_config_read(struct usher_device *d, uint32_t off, unsigned size, uint32_t *ret)
{
	uint64_t v = 0;

	if (!is_register(off, size))
		return -ERANGE;
	int r = vfio_region_get(&d->vfio, &d->regions[USHER_CONFIG], off, size, &v);
	if (r >= 0 && v == all_ones(size) && !device_answers(d))
		r = -ENODEV;
	*ret = r < 0 ? (uint32_t)all_ones(size) : (uint32_t)v;
	return device_verdict(d, r);
}

int usher_config_write(struct usher_device *d, uint32_t off, unsigned size, uint32_t value)
{
	if (!is_register(off, size))
		return -ERANGE;
	return device_verdict(
		d, vfio_region_put(&d->vfio, &d->regions[USHER_CONFIG], off, size, value));
}

int usher_config_find(struct usher_device *d, uint8_t id)
{
	uint32_t at = 0, found = 0, status = 0;
	int r = usher_config_read(d, PCI_STATUS, 2, &status);

	if (r < 0)
		return r;
	if (!(status & PCI_STATUS_CAP_LIST))
		return -ENOENT;
	r = usher_config_read(d, PCI_CAPABILITY_LIST, 1, &at);
	/* The list of a broken device may loop; a valid one has at most 48 entries. */
	for (unsigned i = 0; i < 48 && r >= 0 && (at &= ~3u) >= PCI_STD_HEADER_SIZEOF; i++) {
		r = usher_config_read(d, at, 1, &found);
		if (r >= 0 && found == id)
			return (int)at;
		if (r >= 0)
			r = usher_config_read(d, at + PCI_CAP_LIST_NEXT, 1, &at);
	}
	return r < 0 ? r : -ENOENT;
}

int usher_config_find_extended(struct usher_device *d, uint16_t id)
{
	uint32_t at = PCI_CFG_SPACE_SIZE, head = 0;
	const uint64_t size = d->regions[USHER_CONFIG].size;
	int r = 0;

	for (unsigned i = 0; i < 480 && at >= PCI_CFG_SPACE_SIZE && at + 4 <= size; i++) {
		r = usher_config_read(d, at, 4, &head);
		if (r < 0)
			return r;
		if (head && PCI_EXT_CAP_ID(head) == id)
			return (int)at;
		at = PCI_EXT_CAP_NEXT(head);
	}
	return -ENOENT;
}

static int set_command(struct usher_device *d, uint32_t set, uint32_t clear, struct usher_err *e)
{
	uint32_t command = 0;
	int r = usher_config_read(d, PCI_COMMAND, 2, &command);

	if (r >= 0 && ((command | set) & ~clear) != command)
		r = usher_config_write(d, PCI_COMMAND, 2, (command | set) & ~clear);
	if (r < 0)
		return err_set(err_from_usher(e), r, "%s: turn bus mastering %s", d->info.name,
			set ? "on" : "off");
	return 0;
}

int usher_device_master_on(struct usher_device *d, struct usher_err *e)
{
	return set_command(d, PCI_COMMAND_MASTER, 0, e);
}

int usher_device_master_off(struct usher_device *d, struct usher_err *e)
{
	return set_command(d, 0, PCI_COMMAND_MASTER, e);
}
