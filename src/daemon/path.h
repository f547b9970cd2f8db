/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_PATH_H
#define DAEMON_PATH_H

#include <stddef.h>

/*
 * Paths of objects: BUS_PATH/KIND/NAME, with the name encoded as sd_bus_path_encode(3) does.
 */
#define PATH_MAX_BUS 640 /* each byte of a name may become three */

/* Return: @buf. */
const char *bus_path(char buf[PATH_MAX_BUS], const char *kind, const char *name);

/* The name in a path of that kind. Return: @buf; NULL it is no such path. */
const char *bus_path_name(const char *path, const char *kind, char *buf, size_t size);

#endif
