/* SPDX-License-Identifier: MIT */
#ifndef BIND_VARIANT_H
#define BIND_VARIANT_H

#include <stddef.h>

struct bind_env;

/*
 * The module of the VFIO variant driver that fits a device best (fewest wildcards), from the
 * lines `alias vfio_pci:PATTERN MODULE` of modules.alias: the kernel marks drivers so that
 * bind only when an override names them. vfio-pci itself is none.
 * Return: 0, -ENOENT when there is none, -errno.
 */
int bind_variant_find(const struct bind_env *env, const char *modalias, char *ret, size_t size);

/*
 * Caches these lines in STATE/variants, because modules.alias is about a hundred times longer.
 * The cache is valid until modules.alias changes. Without it, reading only takes longer.
 */
void bind_variant_cache(const struct bind_env *env);

#endif
