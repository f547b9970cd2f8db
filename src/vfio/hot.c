/* SPDX-License-Identifier: MIT */
#include "vfio/hot.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "vfio/device.h"
#include "vfio/group.h"

int vfio_hot_reset(struct vfio_dev *d, const struct vfio_group *g, struct err *e)
{
	_Alignas(struct vfio_pci_hot_reset)
		uint8_t buf[sizeof(struct vfio_pci_hot_reset) + sizeof(int32_t)];
	struct vfio_pci_hot_reset *reset = (void *)buf;
	int32_t fd = g->fd;

	*reset = (struct vfio_pci_hot_reset){.argsz = sizeof(buf), .count = 1};
	memcpy(reset->group_fds, &fd, sizeof(fd));
	int r = d->ops->call(d, VFIO_DEVICE_PCI_HOT_RESET, reset);
	if (r < 0)
		return err_set(e, r, "reset the bus of the device");
	return 0;
}
