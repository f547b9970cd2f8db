/* SPDX-License-Identifier: MIT */
#ifndef BASE_USHER_ERR_H
#define BASE_USHER_ERR_H

#include "base/err.h"

#include <stddef.h>
#include <usher/err.h>

/* libusher's public error is struct err under another name: the same fields at the same places. */
_Static_assert(sizeof(struct usher_err) == sizeof(struct err), "usher_err");
_Static_assert(sizeof(((struct usher_err *)0)->msg) == sizeof(((struct err *)0)->msg), "msg");
_Static_assert(offsetof(struct usher_err, hint) == offsetof(struct err, hint), "reserved");
_Static_assert(sizeof(((struct usher_err *)0)->hint) == sizeof(((struct err *)0)->hint), "hint");

/* NULL stays NULL. */
static inline struct err *err_from_usher(struct usher_err *e)
{
	return (struct err *)(void *)e;
}

#endif
