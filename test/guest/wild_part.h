/* SPDX-License-Identifier: MIT */
#ifndef TEST_GUEST_WILD_PART_H
#define TEST_GUEST_WILD_PART_H

/* What the parts of the wild driver have in common. */
#include "wild.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <stddef.h>

#define QUEUE_SIZE (3 * 4096U) /* [bytes] of memory of a queue: its three rings */
#define DATA (1U << 20) /* in the area: what chains are made of; the rings are below */
#define STATUSES (DATA - 4096) /* a byte for each chain that is on its way, from the first on */
#define BAR_PAGES 8
#define PATIENCE 20000000 /* looks at what does not change */
#define BLK 2
#define UNTOUCHED 0xee
#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)
#define STARTED (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define GOING (STARTED | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

/* As a driver must: until the status reads 0, the device may be at work. */
void device_reset(struct wild *w, const struct wild_device *d);
uint64_t features_get(struct wild *w, const struct wild_device *d);
/* @drop: features that the driver does without. */
void device_set_up(struct wild *w, struct wild_device *d, uint64_t drop);
/* Features that the device does not have, or without those that it must have. */
void features_wrong(struct wild *w, const struct wild_device *d);
void queue_wrong(struct wild *w, struct wild_device *d);

/* In the area mostly; else where no RAM is, or not all of it. */
uint64_t any_place(struct wild *w);
/* Clears queue @n, tells the device where it is and turns it on. */
void queue_set_up(struct wild *w, struct wild_device *d, unsigned n);
/* Takes queue @n back from the device and sets it up again. */
void queue_take_back(struct wild *w, struct wild_device *d, unsigned n);
/* Lists a chain in queue @n, good or not, and rings. */
void chain_list(struct wild *w, struct wild_device *d, unsigned n);
/* The disk reads back what is written to it; else `fault`. */
void disk_prove(struct wild *w, struct wild_device *d);

/* xorshift64* is random enough. */
static inline uint64_t state_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static inline uint64_t any_bits(struct wild *w)
{
	return state_next(&w->state);
}

static inline uint32_t any_below(struct wild *w, uint32_t n)
{
	return (uint32_t)((any_bits(w) >> 33) % n);
}

/* Random bits, or typical values of registers: all bits, none, one bit, a small number. */
static inline uint64_t any_value(struct wild *w)
{
	switch (any_below(w, 6)) {
	case 0:
		return 0;
	case 1:
		return ~UINT64_C(0);
	case 2:
		return UINT64_C(1) << any_below(w, 64);
	case 3:
		return any_below(w, 16);
	default:
		return any_bits(w);
	}
}

static inline unsigned any_size(struct wild *w)
{
	return 1U << any_below(w, 4);
}

static inline void area_put(const struct wild *w, uint32_t off, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		w->memory[off + i] = (uint8_t)(value >> 8 * i);
}

static inline uint16_t area_get16(const struct wild *w, uint32_t off)
{
	return (uint16_t)(w->memory[off] | w->memory[off + 1] << 8);
}

static inline uint64_t common_get(
	struct wild *w, const struct wild_device *d, unsigned off, unsigned size)
{
	w->hits[WILD_COMMON_READ]++;
	w->reads[off]++;
	return w->get(d->bar + d->places[VIRTIO_PCI_CAP_COMMON_CFG] + off, size);
}

static inline void common_put(
	struct wild *w, const struct wild_device *d, unsigned off, unsigned size, uint64_t value)
{
	w->hits[WILD_COMMON_WRITE]++;
	w->writes[off]++;
	w->put(d->bar + d->places[VIRTIO_PCI_CAP_COMMON_CFG] + off, size, value);
}

static inline void bell_ring(struct wild *w, const struct wild_device *d, unsigned n)
{
	w->hits[n < d->queue_count ? WILD_BELL : WILD_BELL_NONE]++;
	w->put(d->bar + d->places[VIRTIO_PCI_CAP_NOTIFY_CFG] + (uint64_t)d->step * n, 2, n);
}

#endif
