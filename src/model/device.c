/* SPDX-License-Identifier: MIT */
/* The life of a model's device: power, resets, opening and closing. */
#include "base/endian.h"
#include "model/host.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>

uint64_t model_region_size(const struct usher_model_device *d, uint64_t index)
{
	if (index < USHER_MODEL_BARS)
		return d->model->shape.bar_size[index];
	return index == VFIO_PCI_CONFIG_REGION_INDEX ? model_config_size(d) : 0;
}

uint64_t model_region_memory(const struct usher_model_device *d, uint64_t index)
{
	return d->bars[index] ? d->model->shape.bar_memory_off[index] : model_region_size(d, index);
}

static void device_power_on(struct usher_model_device *d)
{
	model_config_reset(d);
	d->intx_level = false;
	d->asleep = false;
	for (unsigned i = 0; i < USHER_MODEL_BARS; i++)
		if (d->bars[i])
			memset(d->bars[i], 0, d->model->shape.bar_size[i]);
	if (d->model->ops->reset)
		d->model->ops->reset(d, d->state);
}

/* The kernel saves configuration space around a reset: bus mastering is what it was before. */
void model_device_reset(struct usher_model_device *d)
{
	const uint16_t command = le16_get(d->config + PCI_COMMAND);

	d->resets++;
	device_power_on(d);
	le16_put(d->config + PCI_COMMAND, command);
}

int model_device_open(struct usher_model_device *d)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* VFIO resets a device when it is opened for the first time. */
	if (!d->open++)
		device_power_on(d);
	return fd;
}

void model_device_close(struct usher_model_device *d)
{
	if (--d->open)
		return;
	for (uint32_t i = 0; i < MODEL_KINDS; i++)
		model_irqs_off(d, i);
	if (!d->gone)
		device_power_on(d);
	if (!d->group_open && d->container) {
		model_container_put_group(d->container);
		d->container = NULL;
	}
}

void usher_model_vanish(struct usher_model_device *d)
{
	d->gone = true;
	for (unsigned i = 0; i < USHER_MODEL_BARS; i++)
		if (d->bars[i])
			memset(d->bars[i], 0xff, d->model->shape.bar_size[i]);
}

void *usher_model_bar(struct usher_model_device *d, unsigned bar)
{
	return bar < USHER_MODEL_BARS ? d->bars[bar] : NULL;
}

void *usher_model_state(struct usher_model_device *d)
{
	return d->state;
}
