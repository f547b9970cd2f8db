/* SPDX-License-Identifier: MIT */
#ifndef CLI_WALLS_H
#define CLI_WALLS_H

struct guest_spec;
struct host;
struct json;

/* The walls around usher-vmm in a plan of 'usher run', one by one. */
void walls_print(struct host *h, const struct guest_spec *s);
/* @h NULL: an engine without walls. */
void walls_put(struct json *doc, struct host *h, const struct guest_spec *s);

#endif
