/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_REFUSED_H
#define ENGINE_REFUSED_H

struct err;

/* The page of wire/refused.h. usher-vmm cannot change its size. Return: descriptor, -errno. */
int refused_page(void);

/*
 * What stands there, in words. Return: 1, and @e says by which refused call usher-vmm ended; 0: by
 * none.
 */
int refused_read(int fd, struct err *e);

#endif
