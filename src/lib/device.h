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

struct device_irqs {
	bool on;
	uint32_t count; /* of the device; fds has so many */
	int *fds; /* -1: not on */
};

struct usher_device {
	struct vfio_dev vfio;
	struct usher_space *space;
	bool own_space; /* shared with other devices of a container that was handed over */
	struct usher_model_device *model; /* NULL: the kernel's */
	struct usher_device_info info;
	struct vfio_region regions[DEVICE_REGIONS];
	struct device_irqs irqs[DEVICE_KINDS];
	unsigned dma_bits;
	bool gone;
	struct usher_device *next; /* in the space */
};

/* What a region's call returned, as a driver shall see it: a device without configuration space
 * has gone. Return: @r, -ENODEV. */
int device_verdict(struct usher_device *d, int r);

/* Looks at its class. Return: true it answers; false, and the device is marked gone. */
bool device_answers(struct usher_device *d);

/*
 * Bus mastering and interrupts off. The kernel saves and restores configuration space around a
 * reset, these too: a device that is to start anew must not find them on.
 */
void device_quiesce(struct usher_device *d);

/* INTx, MSI, MSI-X; or all five. */
void device_irqs_off(struct usher_device *d, unsigned kinds);

/* Every window of it is unmapped. */
void device_windows_close(struct usher_device *d);

/* Where a URI leads. */
struct device_uri {
	enum { URI_PCI, URI_FD, URI_MODEL } kind;
	char name[96]; /* an address, perhaps with a token; or a model's */
	char arguments[160]; /* a model's */
	int container, group, device; /* descriptors; group -1: none */
};

int device_uri_parse(const char *uri, struct device_uri *ret, struct usher_err *e);

#endif
