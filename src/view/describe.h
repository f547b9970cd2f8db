/* SPDX-License-Identifier: MIT */
#ifndef VIEW_DESCRIBE_H
#define VIEW_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>

struct inventory_entry;
struct json;
struct names;

/* The keys of a device, the same in `list --json` and `show --json`. @n: NULL for no names. */
void describe_put(struct json *map, const struct inventory_entry *x, struct names *n);

/* "16 MiB", "4 KiB", "128 bytes": exact, for sizes of BARs are powers of two. */
const char *describe_size(uint64_t size, char *buf, size_t len);

#endif
