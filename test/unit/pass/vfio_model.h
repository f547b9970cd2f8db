/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_VFIO_MODEL_H
#define TEST_UNIT_VFIO_MODEL_H

#include "vfio/device.h"
#include "vfio/hotreset.h"
#include "vfio/irq.h"
#include "vfio/region.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A VFIO device from a fixture (in the form of test/live/vfio_dump's output). Registers are plain
 * memory. Configuration space accepts the writes that VFIO lets through. It records interrupts, and
 * `log` has its calls in order, one word for each.
 */
#define MODEL_REGIONS 9
#define MODEL_IRQS 5
#define MODEL_VECTORS 64
#define MODEL_MEMORY (1 << 20) /* of each BAR; offsets beyond it wrap */

struct model_region {
	uint64_t size;
	uint32_t flags;
	size_t area_count;
	struct {
		uint64_t off, size;
	} areas[8];
	int memfd;
	uint8_t *memory;
};

struct vfio_model {
	struct model_region regions[MODEL_REGIONS];
	struct {
		uint32_t count, flags;
	} irqs[MODEL_IRQS];
	uint8_t config[4096];
	int on; /* the kind of interrupts that is on; -1: none */
	unsigned allocated; /* number of vectors when it was turned on */
	int fds[MODEL_VECTORS]; /* eventfds of that kind, -1 */
	int unmask_fd;
	int event_fds[MODEL_IRQS]; /* of ERR and REQ, which can be on beside the others */
	bool refuse_vectors; /* turning on any kind of interrupts fails */
	unsigned vectors_max; /* how many the "host" has; 0: any number */
	unsigned atomics; /* VFIO_ATOMIC_… */
	unsigned resets;
	int reset_error; /* result of a function's reset, which then has no effect */
	void (*during_reset)(void); /* of any kind */
	unsigned bus_resets;
	unsigned bus_count; /* functions that a reset of the bus hits; 0: it cannot be reset */
	unsigned bus_devfn[4]; /* their addresses on bus 1 */
	int bus_fd[4]; /* descriptors of their groups, which are 0, 1, … */
	bool refuse_map; /* at any address */
	void (*busy_map)(
		void *at, size_t len); /* refuses after it has unmapped; called in between */
	void (*sleeps)(void); /* in each call in which VFIO may sleep */
	unsigned delay_ms; /* of each call in which VFIO may sleep */
	bool dead; /* reads fail, as from an unplugged device */
	char log[1 << 14];
};

extern const struct vfio_dev_ops vfio_model_ops;

/*
 * This thread is one of the guest's processors. In it the model refuses each call in which VFIO may
 * sleep: interrupts, resets, configuration space, the ROM. That leaves accesses to BARs.
 */
extern _Thread_local bool vfio_model_vcpu;

/* Reads fixture/vfio/@name.vfio; fails the test when it cannot. */
void vfio_model_load(struct vfio_model *m, const char *fixtures, const char *name);
void vfio_model_free(struct vfio_model *m);

/* Appends an event to the log. */
void vfio_model_note(struct vfio_model *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
