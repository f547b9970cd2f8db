/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_VMM_BLK_DRIVER_H
#define TEST_UNIT_VMM_BLK_DRIVER_H

/* A machine with one virtio-blk, and what its driver asks for. */
#include "virtio_rig.h"

#include <linux/virtio_blk.h>

#define QUEUES 4
#define HEADER MIB(9)
#define STATUS (MIB(9) + KIB(4))
#define DATA (MIB(9) + KIB(64))
#define SIZE MIB(1) /* of the disk */
#define UNTOUCHED 0xee

extern int image; /* the disk's file, ours */
extern unsigned queue; /* that the driver uses now */
extern const struct blk_spec plain; /* 1 MiB, one queue */

/* @fd: the disk's file, taken over. */
void start_on(bool by_ring, const struct blk_spec *disk, int fd);
void start_one(bool by_ring, const struct blk_spec *disk); /* on an empty file */
void start(bool by_ring, bool readonly);
void finish(void);

uint64_t disk_get(uint64_t field, unsigned size);

/* With all queues. */
void set_up(uint64_t features);

/* One part of a chain. */
struct part {
	uint64_t at;
	uint32_t size;
	bool in;
};

void chain_put(const struct part *parts, unsigned count);
void chain_list(const struct part *parts, unsigned count); /* and rings */
void header_put(uint32_t type, uint64_t sector);

/* Return: the status of the chain that was listed last. */
uint8_t wait_for_status(void);
/* A request as a driver makes it: header, data if there are any, status. */
uint8_t ask(uint32_t type, uint64_t sector, uint64_t at, uint32_t size);
uint8_t ask_range(uint32_t type, uint64_t sector, uint32_t count, uint32_t flags);

bool image_has(uint64_t off, uint8_t byte, uint64_t size);

#endif
