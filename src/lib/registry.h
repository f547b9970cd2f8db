/* SPDX-License-Identifier: MIT */
#ifndef LIB_REGISTRY_H
#define LIB_REGISTRY_H

#include "lib/space.h"

/*
 * Which space of this process has which container of another process. The caller of all functions
 * but registry_forget() holds the registry's lock, which is taken before those of a space.
 */
void registry_lock(void);
void registry_unlock(void);

/* Return: the space that has the container; NULL: none. */
struct usher_space *registry_find(int container);
void registry_add(struct usher_space *s); /* a second time is fine */
void registry_remove(const struct usher_space *s); /* one that was never added is fine */

/* The space is being freed. */
void registry_forget(const struct usher_space *s);

#endif
