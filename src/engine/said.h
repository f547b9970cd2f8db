/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_SAID_H
#define ENGINE_SAID_H

#include <stddef.h>

/*
 * What a program says on its standard error: a file of one page that cannot grow. Nobody reads that
 * of a program that runs, so what a guest makes it say ends nowhere, and does not hold it up.
 */

/* Return: descriptor, -errno. */
int said_open(const char *name);

/* Writes its last line to @buf, escaped; "it says nothing". */
void said_last(int fd, char *buf, size_t size);

#endif
