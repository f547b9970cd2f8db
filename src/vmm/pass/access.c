/* SPDX-License-Identifier: MIT */
#include "vmm/pass/access.h"

#include "base/bits.h"
#include "vmm/pass/device.h"

#include <string.h>

uint32_t pass_dev_get(struct pass_dev *d, unsigned off, unsigned size)
{
	uint64_t v;

	if (vfio_region_get(&d->vfio, &d->config_region, off, size, &v) < 0)
		return (uint32_t)all_ones(size);
	return (uint32_t)v;
}

void pass_dev_put(struct pass_dev *d, unsigned off, unsigned size, uint32_t value)
{
	int r = vfio_region_put(&d->vfio, &d->config_region, off, size, value);

	d->touched = true;
	if (r < 0)
		log_guest(&d->misdeeds.access, d->name, "write of configuration space at 0x%x: %s",
			off, strerror(-r));
}
