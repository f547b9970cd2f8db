/* SPDX-License-Identifier: MIT */
#include "vfio/hotreset.h"

#include "base/clean.h"
#include "base/err.h"
#include "vfio/device.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 4 /* a function may be plugged in between the question and its repetition */

/* The kernel says -ENOSPC and how many there are until the buffer holds them all. */
static int ask(struct vfio_dev *d, struct vfio_pci_hot_reset_info **ret)
{
	uint32_t count = 0;
	int r = -ENOSPC;

	for (unsigned i = 0; i < TRIES && r == -ENOSPC; i++) {
		size_t size = sizeof(**ret) + count * sizeof((*ret)->devices[0]);
		cleanup_free struct vfio_pci_hot_reset_info *info = calloc(1, size);
		if (!info)
			return -ENOMEM;
		info->argsz = (uint32_t)size;
		r = d->ops->call(d, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
		if (r >= 0 && info->count > count)
			r = -EPROTO;
		count = info->count;
		if (count > UINT16_MAX)
			return -EPROTO;
		if (r >= 0)
			*ret = TAKE_PTR(info);
	}
	return r;
}

int vfio_hotreset_info(struct vfio_dev *d, struct vfio_dependent **ret, struct err *e)
{
	cleanup_free struct vfio_pci_hot_reset_info *info = NULL;
	int r = ask(d, &info);

	if (r == -ENODEV)
		return err_say(e, r, "neither the bus nor the slot of the device can be reset");
	if (r < 0)
		return err_set(e, r, "ask what a reset of the bus would hit");
	struct vfio_dependent *list = calloc(info->count + 1, sizeof(*list));
	if (!list)
		return err_set(e, -ENOMEM, "ask what a reset of the bus would hit");
	for (uint32_t i = 0; i < info->count; i++) {
		const struct vfio_pci_dependent_device *p = &info->devices[i];
		list[i].group = (int)p->group_id;
		list[i].address = (struct pci_address){.domain = p->segment,
			.bus = p->bus,
			.dev = (uint8_t)(p->devfn >> 3),
			.fn = p->devfn & 7};
	}
	*ret = list;
	return (int)info->count;
}

int vfio_hotreset(struct vfio_dev *d, const int *groups, size_t count)
{
	_Alignas(struct vfio_pci_hot_reset) uint8_t
		buf[sizeof(struct vfio_pci_hot_reset) + VFIO_HOTRESET_GROUPS_MAX * sizeof(int32_t)];
	struct vfio_pci_hot_reset *reset = (void *)buf;

	if (count > VFIO_HOTRESET_GROUPS_MAX)
		return -E2BIG;
	*reset = (struct vfio_pci_hot_reset){
		.argsz = (uint32_t)(sizeof(*reset) + count * sizeof(int32_t)),
		.count = (uint32_t)count,
	};
	memcpy(reset->group_fds, groups, count * sizeof(int32_t));
	int r = d->ops->call(d, VFIO_DEVICE_PCI_HOT_RESET, reset);
	return r > 0 ? 0 : r;
}
