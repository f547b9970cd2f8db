/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_VMM_BLK_DRIVER_H
#define TEST_UNIT_VMM_BLK_DRIVER_H

/*
 * A machine with one virtio-blk, and a driver of it: sets it up as a guest does, and asks.
 */
#include "base/num.h"
#include "suite.h"
#include "vmm/copy.h"
#include "vmm/machine.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUES 4
/* In guest memory, of the queue: descriptors, and a page further each, the other two. */
#define RINGS (MIB(8) + queue * KIB(12))
#define HEADER (MIB(8) + KIB(64))
#define DATA (MIB(8) + KIB(128))
#define STATUS (MIB(8) + KIB(68))
#define SIZE MIB(1) /* of the disk */
#define GOING                                                                                 \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK)
#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)
#define UNTOUCHED 0xee

extern struct machine machine;
extern struct machine_spec spec;
extern uint32_t places[6]; /* offset in BAR 0, by type of capability */
extern int image; /* the disk's file, ours */
extern unsigned queue; /* that the driver uses now */
extern uint16_t listed[QUEUES]; /* chains so far */
extern const struct blk_spec plain; /* 1 MiB, one queue */

/* @fd: the disk's file, taken over. */
void start_on(bool by_ring, const struct blk_spec *disk, int fd);
void start_one(bool by_ring, const struct blk_spec *disk); /* on an empty file */
void start(bool by_ring, bool readonly);
void finish(void);

/* Registers: of BAR 0, the common ones, and those of the disk. */
uint64_t get(uint64_t off, unsigned size);
uint64_t common_get(uint64_t field, unsigned size);
void common_put(uint64_t field, unsigned size, uint64_t value);
uint64_t disk_get(uint64_t field, unsigned size);

/* As a driver must: until the status reads 0, the device may be at work. */
void reset(void);
uint64_t feature(unsigned bit);
void set_up(uint64_t features);

/* One part of a chain. */
struct part {
	uint64_t at;
	uint32_t size;
	bool in;
};

void chain_put(const struct part *parts, unsigned count);
void ring(void);
void chain_list(const struct part *parts, unsigned count); /* and rings */
void header_put(uint32_t type, uint64_t sector);
uint8_t byte_at(uint64_t at);

/* Return: the status of the chain that was listed last. */
uint8_t wait_for_status(void);
/* A request as a driver makes it: header, data if there are any, status. */
uint8_t ask(uint32_t type, uint64_t sector, uint64_t at, uint32_t size);
uint8_t ask_range(uint32_t type, uint64_t sector, uint32_t count, uint32_t flags);

bool image_has(uint64_t off, uint8_t byte, uint64_t size);

#endif
