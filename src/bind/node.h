/* SPDX-License-Identifier: MIT */
#ifndef BIND_NODE_H
#define BIND_NODE_H

#include <stdbool.h>

struct bind_access;

/* Waits until the device node @path exists. Return: 0, -ETIMEDOUT, -errno. */
int bind_node_wait(const char *path, int timeout_ms);

/* The live group_held of struct bind_kernel_ops. */
bool bind_node_is_held(int group);
/* The live group_unopened of it. */
bool bind_node_is_unopened(int group);

/* Return: 0, -errno. */
int bind_node_chown(const char *path, const struct bind_access *a);

#endif
