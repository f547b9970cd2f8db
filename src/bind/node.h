/* SPDX-License-Identifier: MIT */
#ifndef BIND_NODE_H
#define BIND_NODE_H

#include <sys/types.h>

/* Waits until the device node @path exists. Return: 0, -ETIMEDOUT, -errno. */
int bind_node_wait(const char *path, int timeout_ms);

/* (uid_t)-1 and (gid_t)-1 leave what is there. Return: 0, -errno. */
int bind_node_chown(const char *path, uid_t uid, gid_t gid);

#endif
