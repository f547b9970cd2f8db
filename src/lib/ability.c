/* SPDX-License-Identifier: MIT */
/* What a device can do, and its VFIO features: power, tokens, migration. */
#include "base/usher_err.h"
#include "lib/device.h"
#include "vfio/feature.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

static int has_irq(struct usher_device *d, enum usher_irq kind)
{
	struct usher_irq_info i;

	return usher_irq_query(d, kind, &i) == 0 && i.count;
}

static int can_add_vectors(struct usher_device *d)
{
	struct usher_irq_info i;

	return usher_irq_query(d, USHER_MSIX, &i) == 0 && i.count && i.growable;
}

static int can_hot_reset(struct usher_device *d)
{
	return usher_device_dependents(d, NULL, 0, NULL) > 0;
}

int usher_device_can(struct usher_device *d, enum usher_ability what)
{
	switch (what) {
	case USHER_CAN_RESET:
		return !!(d->vfio.flags & VFIO_DEVICE_FLAGS_RESET);
	case USHER_CAN_HOT_RESET:
		return can_hot_reset(d);
	case USHER_CAN_INTX:
		return has_irq(d, USHER_INTX);
	case USHER_CAN_MSI:
		return has_irq(d, USHER_MSI);
	case USHER_CAN_MSIX:
		return has_irq(d, USHER_MSIX);
	case USHER_CAN_ADD_VECTORS:
		return can_add_vectors(d);
	case USHER_CAN_ERR:
		return has_irq(d, USHER_ERR);
	case USHER_CAN_REQ:
		return has_irq(d, USHER_REQ);
	case USHER_CAN_LOW_POWER:
		return vfio_feature_has(
			&d->vfio, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, VFIO_DEVICE_FEATURE_SET);
	case USHER_CAN_VF_TOKEN:
		return vfio_feature_has(
			&d->vfio, VFIO_DEVICE_FEATURE_PCI_VF_TOKEN, VFIO_DEVICE_FEATURE_SET);
	case USHER_CAN_MIGRATE:
		return vfio_feature_has(
			&d->vfio, VFIO_DEVICE_FEATURE_MIGRATION, VFIO_DEVICE_FEATURE_GET);
	case USHER_CAN_LOG_DMA:
		return vfio_feature_has(
			&d->vfio, VFIO_DEVICE_FEATURE_DMA_LOGGING_START, VFIO_DEVICE_FEATURE_SET);
	default:
		return 0;
	}
}

int usher_device_feature(struct usher_device *d, uint16_t feature, enum usher_feature_use use,
	void *data, size_t size)
{
	switch (use) {
	case USHER_FEATURE_PROBE_GET:
		return vfio_feature_has(&d->vfio, feature, VFIO_DEVICE_FEATURE_GET) ? 0 : -ENOTTY;
	case USHER_FEATURE_PROBE_SET:
		return vfio_feature_has(&d->vfio, feature, VFIO_DEVICE_FEATURE_SET) ? 0 : -ENOTTY;
	case USHER_FEATURE_GET:
		return vfio_feature_use(&d->vfio, feature, VFIO_DEVICE_FEATURE_GET, data, size);
	case USHER_FEATURE_SET:
		return vfio_feature_use(&d->vfio, feature, VFIO_DEVICE_FEATURE_SET, data, size);
	default:
		return -EINVAL;
	}
}

static int set_feature(
	struct usher_device *d, uint16_t feature, void *data, size_t size, struct usher_err *e)
{
	int r = vfio_feature_use(&d->vfio, feature, VFIO_DEVICE_FEATURE_SET, data, size);

	return r < 0 ? err_set(err_from_usher(e), r, "%s: use device feature %u", d->info.name,
			       feature)
		     : 0;
}

int usher_device_sleep(struct usher_device *d, int fd, struct usher_err *e)
{
	struct vfio_device_low_power_entry_with_wakeup wakeup = {.wakeup_eventfd = fd};

	if (fd < 0)
		return set_feature(d, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, NULL, 0, e);
	return set_feature(
		d, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP, &wakeup, sizeof(wakeup), e);
}

int usher_device_wake(struct usher_device *d, struct usher_err *e)
{
	return set_feature(d, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, NULL, 0, e);
}

int usher_device_set_vf_token(struct usher_device *d, const uint8_t uuid[16], struct usher_err *e)
{
	uint8_t data[16];

	memcpy(data, uuid, sizeof(data));
	return set_feature(d, VFIO_DEVICE_FEATURE_PCI_VF_TOKEN, data, sizeof(data), e);
}
