/* SPDX-License-Identifier: MIT */
#ifndef HOST_LOCKED_H
#define HOST_LOCKED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Attributes of sysfs that the kernel shows under a lock which may be kept for ever: who reads one
 * of them then waits out of reach of any signal. A driver that does not let go of its device keeps
 * the device's lock (device_driver_detach()), and a reset that hangs keeps configuration space
 * (pci_wait_cfg()).
 */

/* By the name of the attribute. */
bool locked_attribute(const char *path);

/*
 * Up to @size bytes of the file, read by a disposable process.
 * Return: length; -ETIMEDOUT the kernel keeps it, and at once for a path that it kept before;
 * -errno.
 */
ssize_t locked_read(const char *path, void *buf, size_t size);

#endif
