/* SPDX-License-Identifier: MIT */
#include "vfio/hotreset.h"

#include "base/err.h"
#include "vfio/device.h"
#include "vfio/ioas.h"

#include <errno.h>

int vfio_hotreset_info(struct vfio_dev *d, struct vfio_dependent **ret, struct err *e)
{
	int r = d->ops->dependents(d, ret);

	if (r == -ENODEV)
		return err_say(e, r, "neither the bus nor the slot of the device can be reset");
	if (r < 0)
		return err_set(e, r, "ask what a reset of the bus would hit");
	return r;
}

int vfio_hotreset(struct vfio_dev *d, const int *groups, size_t count)
{
	if (count > VFIO_HOTRESET_GROUPS_MAX)
		return -E2BIG;
	int r = d->ops->reset_bus(d, groups, count);
	return r > 0 ? 0 : r;
}

size_t vfio_hotreset_missing(
	const struct vfio_ioas *s, const struct vfio_dependent *hit, size_t count)
{
	size_t at = 0;

	while (at < count && s->ops->owns(s, hit[at].group))
		at++;
	return at;
}
