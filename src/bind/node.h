/* SPDX-License-Identifier: MIT */
#ifndef BIND_NODE_H
#define BIND_NODE_H

struct bind_access;

/* Waits until the device node @path exists. Return: 0, -ETIMEDOUT, -errno. */
int bind_node_wait(const char *path, int timeout_ms);

/* Return: 0, -errno. */
int bind_node_chown(const char *path, const struct bind_access *a);

#endif
