/* SPDX-License-Identifier: MIT */
#ifndef VIEW_INVENTORY_JSON_H
#define VIEW_INVENTORY_JSON_H

struct inventory_entry;
struct json;
struct names;

/* The keys of a device, the same in `list --json` and `show --json`. @n: NULL for no names. */
void inventory_json(struct json *map, const struct inventory_entry *x, struct names *n);

#endif
