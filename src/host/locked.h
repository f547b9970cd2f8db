/* SPDX-License-Identifier: MIT */
#ifndef HOST_LOCKED_H
#define HOST_LOCKED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Attributes of sysfs that the kernel shows under a lock that it may hold for ever. A process that
 * reads one then waits, and no signal ends it. A driver whose remove() waits holds the device's
 * lock (device_driver_detach()); a reset that hangs holds configuration space (pci_wait_cfg()).
 */

/* Whether @path is such an attribute, by its name. */
bool locked_attribute(const char *path);

/*
 * Has a disposable child read up to @size bytes of the file.
 * Return: length; -ETIMEDOUT when the read does not return in time, later at once for the same
 * path; -errno.
 */
ssize_t locked_read(const char *path, void *buf, size_t size);

#endif
