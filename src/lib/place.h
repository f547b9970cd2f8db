/* SPDX-License-Identifier: MIT */
#ifndef LIB_PLACE_H
#define LIB_PLACE_H

#include "lib/space.h"

/*
 * Allocates the IOVA that the caller specifies in m->iova and m->size, and as much guard after it
 * as there is room for. It may lie in the guard of another mapping and in the quarantine, which
 * keep apart only what the space places by itself. A guard that is cut comes back when @m goes
 * (mapping.crowds).
 * Return: 0; -EEXIST a mapping or page 0 overlaps, and nothing has changed; -ENOMEM.
 */
int space_place(struct usher_space *s, struct mapping *m);

/*
 * @m, which crowds, is unmapped: the guard of the mapping before it takes back what it lacks. *@m
 * becomes what is left, with a guard of 0; its size may be 0.
 */
void space_spread(struct usher_space *s, struct mapping *m);

#endif
