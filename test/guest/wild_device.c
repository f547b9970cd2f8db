/* SPDX-License-Identifier: MIT */
#include "wild_part.h"

#include <linux/pci_regs.h>
#include <stdbool.h>

static void capability_learn(struct wild *w, struct wild_device *d, unsigned at)
{
	const uint8_t id = (uint8_t)w->space_get(d->function, at, 1);
	const unsigned type =
		w->space_get(d->function, at + offsetof(struct virtio_pci_cap, cfg_type), 1);

	if (id == PCI_CAP_ID_MSIX)
		d->msix = at;
	if (id != PCI_CAP_ID_VNDR || type > VIRTIO_PCI_CAP_PCI_CFG)
		return;
	d->places[type] =
		w->space_get(d->function, at + offsetof(struct virtio_pci_cap, offset), 4);
	if (type == VIRTIO_PCI_CAP_NOTIFY_CFG)
		d->step = w->space_get(d->function,
			at + offsetof(struct virtio_pci_notify_cap, notify_off_multiplier), 4);
	if (type == VIRTIO_PCI_CAP_PCI_CFG)
		d->window = at;
}

static void space_repair(struct wild *w, const struct wild_device *d)
{
	w->space_put(d->function, PCI_BASE_ADDRESS_0, 4, (uint32_t)d->bar);
	w->space_put(d->function, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

void wild_find(struct wild *w, uint32_t function)
{
	struct wild_device *d = &w->devices[w->count];
	const uint32_t ids = w->space_get(function, PCI_VENDOR_ID, 4);

	if ((ids & 0xffff) != 0x1af4 || w->count == WILD_DEVICES)
		return;
	d->function = function;
	d->type = (uint16_t)((ids >> 16) - 0x1040);
	d->bar = w->space_get(function, PCI_BASE_ADDRESS_0, 4) & ~15U;
	unsigned at = w->space_get(function, PCI_CAPABILITY_LIST, 1);
	for (unsigned n = 0; at && n < 48; n++) {
		capability_learn(w, d, at);
		at = w->space_get(function, at + PCI_CAP_LIST_NEXT, 1);
	}
	space_repair(w, d);
	const uint64_t queues = common_get(w, d, COMMON(num_queues), 2);
	d->queue_count = queues > WILD_QUEUES ? WILD_QUEUES : (unsigned)queues;
	/* @d is zero: a whole structure would be memset() by clang, and no guest has that. */
	for (unsigned i = 0; i < d->queue_count; i++) {
		d->queues[i].at = w->area + (w->count * WILD_QUEUES + i) * QUEUE_SIZE;
		d->queues[i].size = 1;
	}
	w->count++;
}

/* As a driver must: until the status reads 0, the device may be at work. */
void device_reset(struct wild *w, const struct wild_device *d)
{
	uint64_t looks = 0;

	space_repair(w, d);
	w->hits[WILD_RESET]++;
	common_put(w, d, COMMON(device_status), 1, 0);
	while (common_get(w, d, COMMON(device_status), 1)) {
		if (looks++ == PATIENCE) {
			w->fault = "a reset does not end";
			return;
		}
		w->relax();
	}
}

uint64_t features_get(struct wild *w, const struct wild_device *d)
{
	uint64_t features = 0;

	for (unsigned half = 0; half < 2; half++) {
		common_put(w, d, COMMON(device_feature_select), 4, half);
		features |= common_get(w, d, COMMON(device_feature), 4) << 32 * half;
	}
	return features;
}

static void features_put(struct wild *w, const struct wild_device *d, uint64_t features)
{
	for (unsigned half = 0; half < 2; half++) {
		common_put(w, d, COMMON(guest_feature_select), 4, half);
		common_put(w, d, COMMON(guest_feature), 4, (uint32_t)(features >> 32 * half));
	}
}

void queue_set_up(struct wild *w, struct wild_device *d, unsigned n)
{
	struct wild_queue *q = &d->queues[n];

	for (uint32_t i = 0; i < QUEUE_SIZE; i += 8)
		area_put(w, (uint32_t)(q->at - w->area) + i, 8, 0);
	q->listed = q->used = 0;
	q->place = q->used_place = 0;
	q->size = (uint16_t)(1U << any_below(w, 9));
	common_put(w, d, COMMON(queue_select), 2, n);
	common_put(w, d, COMMON(queue_size), 2, q->size);
	common_put(w, d, COMMON(queue_msix_vector), 2, n + 1);
	common_put(w, d, COMMON(queue_desc_lo), 4, q->at);
	common_put(w, d, COMMON(queue_desc_hi), 4, 0);
	common_put(w, d, COMMON(queue_avail_lo), 4, q->at + 4096);
	common_put(w, d, COMMON(queue_avail_hi), 4, 0);
	common_put(w, d, COMMON(queue_used_lo), 4, q->at + 8192);
	common_put(w, d, COMMON(queue_used_hi), 4, 0);
	common_put(w, d, COMMON(queue_enable), 2, 1);
}

void queue_take_back(struct wild *w, struct wild_device *d, unsigned n)
{
	uint64_t looks = 0;

	common_put(w, d, COMMON(queue_select), 2, n);
	common_put(w, d, VIRTIO_PCI_COMMON_Q_RESET, 2, any_below(w, 8) ? 1 : any_value(w));
	while (common_get(w, d, VIRTIO_PCI_COMMON_Q_RESET, 2) == 1) {
		if (looks++ == PATIENCE) {
			w->fault = "a reset of a queue does not end";
			return;
		}
		w->relax();
	}
	if (common_get(w, d, COMMON(queue_enable), 2))
		return;
	w->hits[WILD_QUEUE_RESET]++;
	queue_set_up(w, d, n);
}

/* @drop: features that the driver does without. */
void device_set_up(struct wild *w, struct wild_device *d, uint64_t drop)
{
	device_reset(w, d);
	common_put(w, d, COMMON(device_status), 1, STARTED);
	const uint64_t features = features_get(w, d) & ~drop;
	features_put(w, d, features | UINT64_C(1) << VIRTIO_F_VERSION_1);
	common_put(w, d, COMMON(device_status), 1, GOING & ~VIRTIO_CONFIG_S_DRIVER_OK);
	for (unsigned i = 0; i < d->queue_count; i++) {
		d->queues[i].packed = features & UINT64_C(1) << VIRTIO_F_RING_PACKED;
		queue_set_up(w, d, i);
	}
	common_put(w, d, COMMON(device_status), 1, GOING);
	w->hits[WILD_SET_UP] += common_get(w, d, COMMON(device_status), 1) == GOING;
}

/* Features that the device does not have, or without those that it must have. */
void features_wrong(struct wild *w, const struct wild_device *d)
{
	const unsigned features_ok = STARTED | VIRTIO_CONFIG_S_FEATURES_OK;

	device_reset(w, d);
	common_put(w, d, COMMON(device_status), 1, STARTED);
	features_put(w, d, any_value(w));
	common_put(w, d, COMMON(device_status), 1, features_ok);
	w->hits[WILD_REFUSED] +=
		!(common_get(w, d, COMMON(device_status), 1) & VIRTIO_CONFIG_S_FEATURES_OK);
}

void queue_wrong(struct wild *w, struct wild_device *d)
{
	const unsigned n = any_below(w, d->queue_count + 1);

	device_reset(w, d);
	common_put(w, d, COMMON(device_status), 1, STARTED);
	features_put(w, d, features_get(w, d));
	common_put(w, d, COMMON(device_status), 1, GOING & ~VIRTIO_CONFIG_S_DRIVER_OK);
	common_put(w, d, COMMON(queue_select), 2, n);
	if (any_below(w, 2))
		common_put(w, d, COMMON(queue_size), 2, any_value(w));
	common_put(w, d, COMMON(queue_desc_lo), 8, any_place(w));
	common_put(w, d, COMMON(queue_avail_lo), 8, any_place(w));
	common_put(w, d, COMMON(queue_used_lo), 8, any_place(w));
	common_put(w, d, COMMON(queue_enable), 2, 1);
	common_put(w, d, COMMON(device_status), 1, GOING);
	bell_ring(w, d, n);
	w->hits[WILD_BAD_QUEUE]++;
}
