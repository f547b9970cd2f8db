/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/device.h"

#include "base/bits.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#define RING_FEATURES                                                          \
	(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_INDIRECT_DESC) |      \
		BIT64(VIRTIO_RING_F_EVENT_IDX) | BIT64(VIRTIO_F_RING_PACKED) | \
		BIT64(VIRTIO_F_RING_RESET))
#define GOING (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

void virtio_init(struct virtio_device *d, const struct virtio_ops *ops, const char *name,
	const struct memory *memory)
{
	*d = (struct virtio_device){
		.ops = ops,
		.name = name,
		.queue_count = ops->queue_count,
		.offered = ops->features | RING_FEATURES |
			   (ops->in_order ? BIT64(VIRTIO_F_IN_ORDER) : 0),
	};
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
		d->queues[i].memory = memory;
		virtq_reset(&d->queues[i]);
	}
}

bool virtio_is_going(const struct virtio_device *d)
{
	return (d->status & GOING) == GOING && !(d->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void queue_clear(struct virtio_device *d, unsigned n)
{
	virtq_reset(&d->queues[n]);
	d->counts[n].seen = 0;
}

void virtio_reset(struct virtio_device *d)
{
	d->status = 0;
	d->accepted = 0;
	for (unsigned i = 0; i < d->queue_count; i++)
		queue_clear(d, i);
	d->resetting = 0;
	if (d->ops->reset)
		d->ops->reset(d);
	d->draining = true;
}

static bool queue_is_drained(struct virtio_device *d, unsigned n)
{
	return !d->ops->is_drained || d->ops->is_drained(d, n);
}

/* Ref: virtio 1.2, 4.1.4.3.1: the driver waits after a reset until it reads 0. */
uint8_t virtio_status_get(struct virtio_device *d)
{
	for (unsigned i = 0; d->draining && i < d->queue_count; i++)
		if (!queue_is_drained(d, i))
			return VIRTIO_CONFIG_S_NEEDS_RESET;
	d->draining = false;
	return d->status;
}

/* Ref: virtio 1.2, 3.1.1: a set of features that the device cannot do is not confirmed. */
static bool is_acceptable(const struct virtio_device *d)
{
	return d->accepted & BIT64(VIRTIO_F_VERSION_1) && !(d->accepted & ~d->offered);
}

static void features_settle(struct virtio_device *d, unsigned n)
{
	struct virtq *q = &d->queues[n];

	q->event_index = d->accepted & BIT64(VIRTIO_RING_F_EVENT_IDX);
	q->indirect = d->accepted & BIT64(VIRTIO_RING_F_INDIRECT_DESC);
	q->packed = d->accepted & BIT64(VIRTIO_F_RING_PACKED);
}

void virtio_status_set(struct virtio_device *d, uint8_t status)
{
	const uint8_t new = status &(uint8_t)~d->status;

	if (!status) {
		virtio_reset(d);
		return;
	}
	/* While it drains, a driver that does not wait is not listened to. */
	if (d->draining && virtio_status_get(d))
		return;
	if (new &VIRTIO_CONFIG_S_FEATURES_OK) {
		if (!is_acceptable(d))
			status &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
		for (unsigned i = 0; i < d->queue_count; i++)
			features_settle(d, i);
	}
	/* It can set bits, and clear none but by a reset; NEEDS_RESET is the device's. */
	d->status |= status & (uint8_t)~VIRTIO_CONFIG_S_NEEDS_RESET;
	/* A driver may list chains, and ring, before it says 'go'. */
	if (new &VIRTIO_CONFIG_S_DRIVER_OK)
		for (unsigned i = 0; i < d->queue_count; i++)
			virtio_rang(d, i);
}

void virtio_accept(struct virtio_device *d, uint64_t features)
{
	if (!(d->status & VIRTIO_CONFIG_S_FEATURES_OK))
		d->accepted = features;
}

void virtio_need_reset(struct virtio_device *d)
{
	d->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	d->transport->changed(d->transport);
}

static void device_break(struct virtio_device *d, const char *why)
{
	if (d->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	log_guest(&d->misdeeds, d->name, "the guest's driver broke its %s: %s", d->ops->name, why);
	virtio_need_reset(d);
}

void virtio_queue_enable(struct virtio_device *d, unsigned n)
{
	struct virtq *q = &d->queues[n];

	if (q->enabled || !(d->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
		virtio_queue_is_resetting(d, n))
		return;
	if (!virtq_enable(q))
		device_break(d, q->why);
	virtio_rang(d, n);
}

void virtio_queue_reset(struct virtio_device *d, unsigned n)
{
	if (!d->queues[n].enabled || !(d->accepted & BIT64(VIRTIO_F_RING_RESET)))
		return;
	queue_clear(d, n);
	features_settle(d, n);
	d->resetting |= BIT64(n);
}

bool virtio_queue_is_resetting(struct virtio_device *d, unsigned n)
{
	if (d->resetting & BIT64(n) && queue_is_drained(d, n))
		d->resetting &= ~BIT64(n);
	return d->resetting & BIT64(n);
}

void virtio_rang(struct virtio_device *d, unsigned n)
{
	if (n < d->queue_count && virtio_is_going(d) && d->queues[n].enabled)
		d->ops->rang(d, n);
}

void virtio_config_changed(struct virtio_device *d)
{
	d->config_generation++;
	if (virtio_is_going(d))
		d->transport->changed(d->transport);
}

/* Counts what came back. Return: whether the driver wants an interrupt for it. */
static bool queue_count(struct virtio_device *d, unsigned n)
{
	struct virtq *q = &d->queues[n];
	struct virtio_count *count = &d->counts[n];
	const bool wants = virtio_is_going(d) && virtq_wants_interrupt(q);

	count->chains += (uint16_t)(q->next_used - count->seen);
	count->seen = q->next_used;
	count->interrupts += wants;
	return wants;
}

int virtio_returned_by(struct virtio_device *d, unsigned n)
{
	const struct virtq *q = &d->queues[n];
	const bool wants = queue_count(d, n);
	const int vector = wants ? d->transport->vector(d->transport, n) : -1;

	if (wants && vector < 0)
		d->transport->interrupt(d->transport, n);
	if (q->broken)
		device_break(d, q->why);
	return vector;
}

void virtio_returned(struct virtio_device *d, unsigned n)
{
	const struct virtq *q = &d->queues[n];

	if (queue_count(d, n))
		d->transport->interrupt(d->transport, n);
	if (q->broken)
		device_break(d, q->why);
}

int virtio_signal_fd(struct virtio_device *d, unsigned n)
{
	const int vector = d->transport->vector(d->transport, n);
	const int fd = vector < 0 ? -1 : d->transport->vector_fd(d->transport, (unsigned)vector);

	return fd < 0 ? -1 : fd;
}
