/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CONTROL_NAME_H
#define ENGINE_CONTROL_NAME_H

#include <stdint.h>

struct err;
struct guest_spec;

/*
 * The names by which clients of a guest's control socket call parts of the guest.
 *
 * A disk is called by its path or its serial number, as --disk has it; the first one counts. A
 * network card is called by its tap, as "user", or by its address. @ret: its place among the virtio
 * devices. Return: 0, -ENODEV.
 */
int control_name_disk(const struct guest_spec *s, const char *name, uint64_t *ret, struct err *e);
int control_name_card(const struct guest_spec *s, const char *name, uint64_t *ret, struct err *e);

/* Return: what runs a guest of that engine, for a message. */
const char *control_name_program(const char *engine);

/* A port; "": the console itself. @ret: as wire/order.h has it. Return: 0, -ENOENT. */
int control_name_port(const struct guest_spec *s, const char *name, uint64_t *ret, struct err *e);

#endif
