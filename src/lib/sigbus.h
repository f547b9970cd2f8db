/* SPDX-License-Identifier: MIT */
#ifndef LIB_SIGBUS_H
#define LIB_SIGBUS_H

#include <stddef.h>

struct usher_device;
struct usher_window;

/*
 * How it works. A table of the process's windows is readable from the signal handler without a
 * lock. On SIGBUS inside a window the handler marks it gone, replaces the page by one of all ones,
 * and returns: the access is repeated and succeeds. A fault elsewhere goes to the handler before
 * ours.
 */
#define SIGBUS_WINDOWS_MAX 256

/* Watches @w, mapped at [@mapping, +@size); NULL: not mapped. Return: 0, -ENOSPC, -errno. */
int sigbus_watch(struct usher_window *w, void *mapping, size_t size);
void sigbus_forget(struct usher_window *w); /* a window that is not watched is fine */

/* Entry @i of the table. Return: a window of @d; NULL: none, or a window of another device. */
struct usher_window *sigbus_window(size_t i, const struct usher_device *d);

#endif
