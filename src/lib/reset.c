/* SPDX-License-Identifier: MIT */
/* The reset of a device, and the quiet before it. */
#include "base/usher_err.h"
#include "lib/device.h"

#include <errno.h>
#include <linux/vfio.h>

void device_quiesce(struct usher_device *d)
{
	(void)usher_device_master_off(d, NULL);
	device_irqs_off(d, USHER_MSIX + 1);
}

int usher_device_reset(struct usher_device *d, struct usher_err *e)
{
	/* Do not disturb a device that cannot be reset. */
	if (d->vfio.flags & VFIO_DEVICE_FLAGS_RESET)
		device_quiesce(d);
	int r = device_verdict(d, vfio_dev_reset(&d->vfio, err_from_usher(e)));

	if (r < 0)
		return err_in(err_from_usher(e), r, "%s", d->info.name);
	return device_answers(d) ? 0
				 : err_say(err_from_usher(e), -ENODEV, "%s is gone after its reset",
					   d->info.name);
}
