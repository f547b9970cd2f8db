/* SPDX-License-Identifier: MIT */
#ifndef CLI_BOOT_H
#define CLI_BOOT_H

struct guest_spec;
struct json;

/* What a guest boots: the files that were named, or those that the image of a disk brings. */

/* Tells which kernel of an image it is, and what may be wrong with it. */
void boot_tell(const struct guest_spec *s);

/* The lines of a plan, and the keys of its guest. */
void boot_print(const struct guest_spec *s);
void boot_put(struct json *guest, const struct guest_spec *s);

#endif
