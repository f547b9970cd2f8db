/* SPDX-License-Identifier: MIT */
#ifndef LIB_SIGBUS_H
#define LIB_SIGBUS_H

#include <stddef.h>

struct usher_device;
struct usher_window;

/*
 * Windows whose SIGBUS is caught: the page that was touched becomes one of all ones, the window
 * is marked gone, and the access is done once more. Faults elsewhere go to who had the signal.
 */
#define SIGBUS_WINDOWS_MAX 256

int sigbus_watch(struct usher_window *w); /* 0, -ENOSPC, -errno */
void sigbus_forget(struct usher_window *w); /* one that is not watched is fine */

/* Those of @d, which is being closed. NULL: an empty place, or another device's. */
struct usher_window *sigbus_window(size_t i, const struct usher_device *d);

#endif
