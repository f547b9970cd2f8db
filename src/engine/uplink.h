/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_UPLINK_H
#define ENGINE_UPLINK_H

struct guest_spec;
struct host;

/*
 * Whether a guest that asks for no network gets a user-mode network by default: @h has passt and a
 * route for it, and the guest has no network card of its own.
 * Return: NULL, or why not: a static text, as "passt is not installed".
 */
const char *uplink_missing(struct host *h, const struct guest_spec *s);

#endif
