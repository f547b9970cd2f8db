/* SPDX-License-Identifier: MIT */
#ifndef BIND_MODULE_H
#define BIND_MODULE_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct host;

/*
 * Runs modprobe, and waits for it no longer than @timeout_ms: a module's init function may hang.
 * Return: 0, -ENOENT with what it says when it does not load, -ETIMEDOUT, -errno.
 */
int bind_module_load(const char *module, int timeout_ms, struct err *e);

/* The same, by another program. */
int bind_module_load_by(const char *program, const char *module, int timeout_ms, struct err *e);

/* Whether a PCI driver of that name is registered: /sys/bus/pci/drivers/@driver exists. */
bool bind_driver_present(struct host *h, const char *driver);

/*
 * The PCI driver that a loaded module brought, from /sys/module/M/drivers/pci:NAME: the two
 * names need not agree. Return: 0, -ENOENT when the module is not loaded or has none.
 */
int bind_module_driver(struct host *h, const char *module, char *ret, size_t size);

#endif
