/* SPDX-License-Identifier: MIT */
#ifndef LIB_PLACE_H
#define LIB_PLACE_H

#include "lib/space.h"

/*
 * A mapping at an IOVA of the caller's. Guards and the quarantine keep apart what the space places
 * by itself; whoever names an IOVA may go into both. What is left of them stays, and a guard that
 * had to give way comes back when the mapping in it goes (struct mapping, crowds).
 *
 * m->iova and m->size are given; takes them and as much guard as there is room for.
 * Return: 0; -EEXIST a mapping or page 0 is in the way; then nothing has changed. -ENOMEM.
 */
int space_place(struct usher_space *s, struct mapping *m);

/*
 * @m, which crowds, has come to its end: a guard in front of it takes what it lacks. What is left is
 * @m's iova, and its size with a guard of 0; that may be none.
 */
void space_spread(struct usher_space *s, struct mapping *m);

#endif
