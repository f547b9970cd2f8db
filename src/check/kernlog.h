/* SPDX-License-Identifier: MIT */
#ifndef CHECK_KERNLOG_H
#define CHECK_KERNLOG_H

#include "pci/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host;

/* What a line of the kernel's log says is the matter. One device has one event of each cause. */
enum kernlog_cause {
	KERNLOG_COLD, /* the device did not come back from D3cold */
	KERNLOG_LOST, /* the device does not answer any more */
	KERNLOG_RESET, /* it did not come back from a reset */
	KERNLOG_LOSSES, /* the causes before this one: the device does not answer */
	KERNLOG_SLOT = KERNLOG_LOSSES, /* the link of this port went down */
	KERNLOG_PROBE, /* a driver refused it */
	KERNLOG_FAILED, /* its driver cannot start it */
	KERNLOG_WAITS, /* its driver's remove() waits for a user */
	KERNLOG_HUNG, /* a task waits in an unbind */
	KERNLOG_RESERVED, /* the firmware does DMA with it (RMRR) */
	KERNLOG_TAKEN, /* another driver has the memory of its BAR */
	KERNLOG_UNUSABLE, /* it cannot be enabled: a BAR has no address */
	KERNLOG_ROOM, /* no address space for a BAR */
	KERNLOG_VFS, /* no room for virtual functions */
	KERNLOG_RESIZE, /* a BAR could not be resized */
	KERNLOG_ROM, /* its ROM is no ROM */
	KERNLOG_ERRORS, /* PCI Express errors that were not corrected */
	KERNLOG_CORRECTED, /* errors that were */
	KERNLOG_ERRATUM, /* the chipset cannot remap interrupts */
	KERNLOG_REMAPPING, /* the firmware's tables prevent interrupt remapping */
	KERNLOG_FIRMWARE, /* the firmware's tables prevent the IOMMU */
	KERNLOG_GRAPHICS, /* the kernel excludes the graphics from the IOMMU */
	KERNLOG_INVALIDATION, /* an IOMMU waited in vain for a device */
	KERNLOG_MEMLOCK, /* a guest could not lock its memory */
	KERNLOG_LINE, /* an interrupt line was turned off */
	KERNLOG_KVM, /* the firmware keeps KVM off */
	KERNLOG_CAUSES,
};

enum kernlog_subject {
	KERNLOG_DEVICE, /* the text behind "DRIVER ADDRESS: " */
	KERNLOG_WHOLE, /* the text of the line */
};

/*
 * How the text begins. '*' is any text, '?' any character, '&' the address of the device that the
 * line is about (in some forms without domain or function).
 */
struct kernlog_pattern {
	enum kernlog_subject subject;
	enum kernlog_cause cause;
	const char *text;
};

/* All patterns; in kernlogtable.c. */
extern const struct kernlog_pattern kernlog_patterns[];
extern const size_t kernlog_pattern_count;

/* The way back for a device that does not answer. */
#define KERNLOG_REVIVE "usher revive ADDRESS"

/* What people read about a cause. ADDRESS stands for the device. */
struct kernlog_advice {
	const char *text; /* "did not come back from a reset" */
	const char *fix;
};

const struct kernlog_advice *kernlog_advice(enum kernlog_cause cause);

#define KERNLOG_NAME_MAX 32

struct kernlog_event {
	enum kernlog_cause cause;
	bool has_address;
	struct pci_address address;
	char name[KERNLOG_NAME_MAX]; /* "nvme0" if nothing tells its address; "" */
	size_t count; /* of lines */
	const char *line; /* the first one, with its level and time; ends at @len */
	size_t len;
};

/* A device that the kernel found at some time since the boot. */
struct kernlog_known {
	struct pci_address address;
	uint16_t vendor, device;
};

struct kernlog {
	char *text;
	int error; /* -errno if the log cannot be read */
	size_t event_count;
	struct kernlog_event *events; /* in the order of their first lines */
	size_t known_count;
	struct kernlog_known *known; /* by their last lines */
};

/*
 * Reads the log once. Only the kernel's own lines of this boot count: user space may write to
 * /dev/kmsg, and the kernel quotes names that devices have given themselves. A device that the
 * kernel finds anew starts without events.
 * Return: 0, -ENOMEM.
 */
int kernlog_read(struct host *h, struct kernlog *ret);
void kernlog_fini(struct kernlog *l);

/* The event of a device; NULL for none. */
const struct kernlog_event *kernlog_find(
	const struct kernlog *l, struct pci_address a, enum kernlog_cause cause);
/* The first event of a cause, of any device or of none; NULL for none. */
const struct kernlog_event *kernlog_any(const struct kernlog *l, enum kernlog_cause cause);
/* What the kernel found at this address; NULL if its log does not tell. */
const struct kernlog_known *kernlog_was(const struct kernlog *l, struct pci_address a);

/*
 * The next line of the kernel itself at or after *@at, which moves behind it.
 * Return: false at the end.
 */
struct kernlog_line {
	const char *whole; /* "<4>[  1.0] pci 0000:01:00.0: …" */
	const char *text; /* "pci 0000:01:00.0: …" */
	size_t len; /* of @whole */
};

bool kernlog_next(const char **at, struct kernlog_line *ret);

#endif
