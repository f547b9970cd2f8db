/* SPDX-License-Identifier: MIT */
#ifndef LIB_DEVICE_H
#define LIB_DEVICE_H

#include "lib/space.h"
#include "vfio/device.h"
#include "vfio/region.h"

#include <stdbool.h>
#include <usher/device.h>
#include <usher/irq.h>
#include <usher/region.h>

#define DEVICE_KINDS 5 /* enum usher_irq */
#define DEVICE_REGIONS 9
#define DEVICE_INFO_ROOM 512 /* [bytes] of zeros for programs that know more fields */

struct device_irqs {
	bool on;
	uint32_t count; /* vectors of the device, and entries of fds */
	int *fds; /* -1: not on */
};

struct usher_device {
	struct vfio_dev vfio;
	struct usher_space *space;
	bool own_space; /* was opened without a space: counts in space->owners */
	struct usher_model_device *model; /* NULL: a device of the kernel */
	union {
		struct usher_device_info info;
		uint8_t info_room[DEVICE_INFO_ROOM];
	};
	struct vfio_region regions[DEVICE_REGIONS];
	struct device_irqs irqs[DEVICE_KINDS];
	unsigned dma_bits;
	bool gone;
	struct usher_device *next; /* in the space */
};

/*
 * Turns the result of a region's access into one for the driver: if configuration space does not
 * answer either, the device is gone. Return: @r, -ENODEV.
 */
int device_verdict(struct usher_device *d, int r);

/* Does the device answer? Reads its class; if it does not answer, marks the device gone. */
bool device_answers(struct usher_device *d);

/*
 * Turns bus mastering and interrupts off. The kernel saves and restores configuration space around
 * a reset, so a device would find them on after it.
 */
void device_quiesce(struct usher_device *d);

/* Turns the first @kinds of enum usher_irq off: USHER_MSIX + 1, or DEVICE_KINDS for all. */
void device_irqs_off(struct usher_device *d, unsigned kinds);

/* Unmaps and closes every window of the device. */
void device_windows_close(struct usher_device *d);

/* A parsed URI. */
struct device_uri {
	enum { URI_PCI, URI_FD, URI_MODEL } kind;
	char name[96]; /* a PCI address, perhaps with a token; or a model */
	char arguments[160]; /* of a model */
	int container, group, device; /* descriptors; group -1: none */
};

int device_uri_parse(const char *uri, struct device_uri *ret, struct usher_err *e);

#endif
