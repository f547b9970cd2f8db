/* SPDX-License-Identifier: MIT */
#ifndef CLI_EXTRAS_H
#define CLI_EXTRAS_H

#include "cli/verb.h"
#include "engine/spec.h"

struct json;

/*
 * Options of a guest that not every engine has.
 * Return: 0, or an exit status with the reason told.
 */
int extras_take_firmware(struct guest_spec *s, const struct verb *v, const char *text);
int extras_take_display(struct guest_spec *s, const struct verb *v, const char *text);
int extras_take_usb(struct guest_spec *s, const char *text);

void extras_print(const struct guest_spec *s);
void extras_put(struct json *guest, const struct guest_spec *s);

#endif
