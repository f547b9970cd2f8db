/* SPDX-License-Identifier: MIT */
#ifndef VIEW_SIZE_H
#define VIEW_SIZE_H

#include <stddef.h>
#include <stdint.h>

/* "16 MiB", "4 KiB", "128 bytes": exact, because the size of a BAR is a power of two. */
const char *size_format(uint64_t size, char *buf, size_t len);

#endif
