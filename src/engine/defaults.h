/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_DEFAULTS_H
#define ENGINE_DEFAULTS_H

#include <stddef.h>

struct err;
struct guest_files;
struct guest_spec;

/*
 * What a guest of usher-vmm gets without being asked: the one place that decides it. A device that
 * every guest shall have by default is added here, and `--no-defaults` leaves it out.
 *
 * Adds to @s, after all options: the devices that were asked for by a word such as `--rng on`, and
 * the default ones while there is room; the kernel of the first disk, if none was named.
 * @net_missing: of engine/uplink.h. Return: 0; -E2BIG a device that was asked for has no room.
 */
int defaults_add(struct guest_spec *s, const char *net_missing, struct err *e);

/*
 * The kernel's command line, of @size bytes. @f: open files of @s; NULL if it boots no image.
 * Return: 0; -EINVAL it is too long.
 */
int defaults_cmdline(const struct guest_spec *s, const struct guest_files *f, char *buf,
	size_t size, struct err *e);

#endif
