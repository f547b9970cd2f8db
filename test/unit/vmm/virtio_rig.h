/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_VMM_VIRTIO_RIG_H
#define TEST_UNIT_VMM_VIRTIO_RIG_H

/*
 * A whole machine with virtio devices, and what a driver of any type does: finds a device, agrees
 * on features, places its queues, lists chains and rings. What a type asks for is its test's.
 *
 * With USHER_PACKED in the environment, the driver accepts packed rings where they are offered. A
 * test does not see the difference: what it describes is written in the form that the queue has.
 */
#include "base/bits.h"
#include "base/num.h"
#include "suite.h"
#include "vmm/copy.h"
#include "vmm/machine.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RIG_QUEUES 8 /* of a device */
#define RING_SIZE 16 /* entries of a queue */
/* In guest memory, of queue n: descriptors; 4 KiB further the available ring, then the used one. */
#define RINGS(n) (MIB(8) + (n)*KIB(64))
#define AVAILABLE(n) (RINGS(n) + KIB(4))
#define USED(n) (RINGS(n) + KIB(8))
#define GOING                                                                                 \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK)
#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)

extern struct machine machine;
extern struct machine_spec spec;
/* Of the device that the driver has chosen: */
extern uint32_t bar; /* where its BAR 0 is */
extern uint32_t places[6]; /* offset in BAR 0, by type of capability */
extern unsigned window; /* the capability PCI_CFG */
extern uint16_t listed[RIG_QUEUES]; /* chains so far, by queue */
extern bool rig_is_packed; /* the features that were accepted last have packed rings */

/* A machine without devices. The test adds them to `spec`, and starts it. */
void machine_describe(const char *name);
void machine_start(void);
void machine_finish(void);

/* The main thread serves what has come, until nothing is left. A device that spins fails. */
void serve(void);

/* The device on that bus, of that type: the driver uses it from now on. */
void device_choose(unsigned bus, enum virtio_type type);

uint32_t config_get(unsigned off, unsigned size);
void config_put(unsigned off, unsigned size, uint32_t value);

/* Registers: by type of capability, and the common ones. */
uint64_t reg_get(unsigned type, uint64_t off, unsigned size);
void reg_put(unsigned type, uint64_t off, unsigned size, uint64_t value);
uint64_t common_get(uint64_t field, unsigned size);
void common_put(uint64_t field, unsigned size, uint64_t value);

uint64_t features_offered(void);
/* A reset, and then these features; whether the device takes them, its status says. */
void features_accept(uint64_t features);
/* As a driver must: until the status reads 0, the device may be at work. */
void reset_await(void);
void reset(void);

/* Clears the rings of queue @n and tells where they are. */
void queue_place(unsigned n);
void queue_enable(unsigned n);
/* Takes queue @n back; until the latter is false, the device may be at work in it. */
void queue_reset(unsigned n);
bool queue_is_resetting(unsigned n);
/* Says 'go': all queues are as they should be. */
void driver_go(void);

/* Lists more than the queue has entries, without a ring: the next take breaks it. */
void queue_break(unsigned n);

/* The descriptor @i of queue @n. @next: counts with VRING_DESC_F_NEXT alone. */
void descriptor_put(
	unsigned n, unsigned i, uint64_t at, uint32_t size, unsigned flags, unsigned next);
/* Lists the chain that begins with descriptor @head. */
void head_list(unsigned n, unsigned head);
/* The doorbell; and what comes of it. */
void bell_ring(unsigned n);
void ring(unsigned n);

/* How many chains came back; and of one of them, its first descriptor and what was written. */
uint16_t used_index(unsigned n);
uint32_t used_head(unsigned n, unsigned i);
uint32_t used_size(unsigned n, unsigned i);
/* Until so many came back. */
void used_await(unsigned n, uint16_t count);

void memory_put(uint64_t at, const void *bytes, size_t len);
uint8_t byte_at(uint64_t at);

/* Skips all of it where KVM is not there. */
int rig_run(const char *name, const TTest *const *tests, size_t count);

/* Last lines of a test file, as SUITE(). */
#define RIG_SUITE(name, ...)                                                      \
	int main(void)                                                            \
	{                                                                         \
		const TTest *const tests_[] = {__VA_ARGS__};                      \
		return rig_run(name, tests_, sizeof(tests_) / sizeof(tests_[0])); \
	}

#endif
