/* SPDX-License-Identifier: MIT */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include "base/err.h"

#include <usher/err.h>

/* The public error is the internal one under another name. */
_Static_assert(sizeof(struct usher_err) == sizeof(struct err), "usher_err");
_Static_assert(sizeof(((struct usher_err *)0)->msg) == sizeof(((struct err *)0)->msg), "msg");
_Static_assert(sizeof(((struct usher_err *)0)->hint) == sizeof(((struct err *)0)->hint), "hint");

static inline struct err *fault(struct usher_err *e)
{
	return (struct err *)(void *)e;
}

#endif
