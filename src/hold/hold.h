/* SPDX-License-Identifier: MIT */
#ifndef HOLD_HOLD_H
#define HOLD_HOLD_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct hold_view;
struct host;
struct pci_device;

/*
 * The in-use gate: who uses a device right now. The kernel unbinds a mounted disk without any
 * error, so usher checks before.
 *
 * Checks: "block" mounted (disks, 9p, virtiofs), swap, part of a volume, below a loop device,
 * exported by the kernel, open; "net" address, route, port of a bridge, SSH session, PPPoE,
 * packet socket, tc, XDP, in another network namespace; "vfio" lent already; "sriov" virtual
 * functions at work, mediated devices; "dma" DMA channels with clients; "gpu" the host's display;
 * "input" the last keyboard, a console; "fd" a process has a device node open, or the kernel uses
 * the device's memory or random numbers.
 */
extern const char *const hold_checks[]; /* their names; NULL ends them */

struct hold {
	const char *check; /* "block", "net", …: the name that --allow=CHECK lifts */
	char object[64]; /* "nvme0n1p1", "eth0" */
	char text[192]; /* "mounted at /srv", "carries the route to 10.0.2.0/24": escaped */
	bool absolute; /* --allow does not lift it: the disk below /, an open group */
	bool waits; /* absolute, and only because the driver's remove() waits for the user */
	bool session; /* it carries the caller's own SSH session */
	bool unsure; /* usher could not find out; it counts as held */
};

/* A disk below the device, as sysfs calls it: "nvme0n1". */
struct hold_disk_name {
	char text[64];
};

#define HOLD_FIX_MAX 256

/*
 * What frees the device. It never advises to skip a check that protects data or a connection: who
 * knows better finds --allow in the manual. Return: @buf.
 */
const char *hold_fix(const struct hold *o, char *buf, size_t size);

struct holds {
	size_t count;
	struct hold *list; /* freed by holds_fini() */
	size_t disk_count;
	struct hold_disk_name *disks; /* whole ones, held or not; freed likewise */
};

/*
 * Everything that holds @d, in a stable order, by HOLD_PATIENT. What usher cannot find out counts
 * as held. A bridge has no holds: it stays with its driver when a device behind it is lent.
 * Return: 0, -ENOMEM, -errno.
 */
int hold_find(struct host *h, const struct pci_device *d, struct holds *ret, struct err *e);
void holds_fini(struct holds *h);

/*
 * Everything that holds one disk or partition, by its name in sysfs ("sda", "sda1", "dm-0"), and
 * the partitions on it. Return: 0, -ENOMEM, -errno.
 */
int hold_find_disk(struct host *h, const char *name, struct holds *ret, struct err *e);

/*
 * The same for many devices: the view reads what they share (processes, mounts, routes) once. The
 * host must outlive it.
 *
 * A listing starts no process, so it does not see a container's interface on top of the device's
 * own: if there are other network namespaces, it is unsure. Plans and checks ask for everything.
 *
 * HOLD_PATIENT asks for everything as well. A caller that is about to change the device takes it:
 * udev may have a node of the device open for a moment, and the view waits up to 5 s for its end.
 *
 * HOLD_UNOPENED is for a device on VFIO when the kernel has just said that its group is not open:
 * no process can have it, by whatever way, but one that has mapped a BAR in sysfs. All else is
 * asked as for everything.
 */
enum hold_depth { HOLD_LISTING, HOLD_EVERYTHING, HOLD_PATIENT, HOLD_UNOPENED };

int hold_view_new(struct host *h, enum hold_depth depth, struct hold_view **ret, struct err *e);
int hold_find_in(struct hold_view *v, const struct pci_device *d, struct holds *ret, struct err *e);
void hold_view_free(struct hold_view *v); /* NULL is fine */

#endif
