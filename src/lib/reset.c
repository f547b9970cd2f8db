/* SPDX-License-Identifier: MIT */
/* Resets, and the abilities and features of a device. */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clean.h"
#include "base/fault.h"
#include "lib/device.h"
#include "vfio/feature.h"
#include "vfio/hotreset.h"
#include "vfio/irq.h"

/*
 * The kernel saves and restores configuration space around a reset, bus mastering and MSIs too:
 * a device that is to start anew must not find them on.
 */
static void quiesce(struct usher_device *d)
{
	(void)usher_device_master_off(d, NULL);
	device_irqs_off(d, USHER_MSIX + 1);
}

int usher_device_reset(struct usher_device *d, struct usher_err *e)
{
	/* What cannot be reset is left as it is. */
	if (usher_device_can(d, USHER_CAN_RESET))
		quiesce(d);
	int r = device_verdict(d, vfio_dev_reset(&d->vfio, fault(e)));

	if (r < 0)
		return err_in(fault(e), r, "%s", d->info.name);
	return device_answers(d)
		       ? 0
		       : err_say(fault(e), -ENODEV, "%s is gone after its reset", d->info.name);
}

static bool is_ours(const struct usher_device *d, int group)
{
	for (size_t i = 0; i < SPACE_GROUPS_MAX; i++) {
		const struct space_group *g = &d->space->groups[i];
		if (g->used && g->vfio.fd >= 0 && g->vfio.number == group)
			return true;
	}
	return false;
}

int usher_device_dependents(
	struct usher_device *d, struct usher_dependent *ret, size_t max, struct usher_err *e)
{
	cleanup_free struct vfio_dependent *list = NULL;
	int n = vfio_hotreset_info(&d->vfio, &list, fault(e));

	if (n < 0)
		return err_in(fault(e), n, "%s", d->info.name);
	for (size_t i = 0; i < (size_t)n && i < max; i++) {
		(void)pci_address_format(list[i].address, ret[i].address);
		ret[i].group = list[i].group;
		ret[i].owned = is_ours(d, list[i].group);
	}
	return n;
}

/* A group that came as a descriptor has no number: then the kernel alone decides. */
static bool numbers_known(const struct usher_device *d)
{
	for (size_t i = 0; i < SPACE_GROUPS_MAX; i++)
		if (d->space->groups[i].used && d->space->groups[i].vfio.number < 0)
			return false;
	return true;
}

static int check_owned(struct usher_device *d, struct usher_err *e)
{
	cleanup_free struct vfio_dependent *list = NULL;
	int n = vfio_hotreset_info(&d->vfio, &list, fault(e));
	char address[PCI_ADDRESS_TEXT];

	if (n < 0)
		return n;
	for (int i = 0; i < n && numbers_known(d); i++) {
		if (is_ours(d, list[i].group))
			continue;
		(void)err_say(fault(e), -EPERM,
			"a reset of the bus hits %s of IOMMU group %d, which is not ours",
			pci_address_format(list[i].address, address), list[i].group);
		err_hint(fault(e), "bind it and attach group %d to the space", list[i].group);
		return -EPERM;
	}
	return 0;
}

int usher_device_hot_reset(struct usher_device *d, struct usher_err *e)
{
	int fds[SPACE_GROUPS_MAX];
	size_t count = 0;
	int r = check_owned(d, e);

	if (r < 0)
		return err_in(fault(e), r, "%s", d->info.name);
	for (struct usher_device *o = d->space->devices; o; o = o->next)
		quiesce(o);
	for (size_t i = 0; i < SPACE_GROUPS_MAX; i++)
		if (d->space->groups[i].used && d->space->groups[i].vfio.fd >= 0)
			fds[count++] = d->space->groups[i].vfio.fd;
	r = vfio_hotreset(&d->vfio, fds, count);
	if (r < 0)
		return err_set(fault(e), r, "%s: reset its bus", d->info.name);
	return device_answers(d)
		       ? 0
		       : err_say(fault(e), -ENODEV, "%s is gone after its reset", d->info.name);
}

static int has_irq(struct usher_device *d, enum usher_irq kind)
{
	struct usher_irq_info i;

	return !usher_irq_info(d, kind, &i) && i.count;
}

static int can_add(struct usher_device *d)
{
	struct usher_irq_info i;

	return !usher_irq_info(d, USHER_MSIX, &i) && i.count && i.growable;
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
		return can_add(d);
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

	return r < 0 ? err_set(fault(e), r, "%s: use device feature %u", d->info.name, feature) : 0;
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
