/* SPDX-License-Identifier: MIT */
#ifndef USHER_ERR_H
#define USHER_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Why something failed, in words, owned by the caller and without memory of its own. Functions
 * return 0 (or more) on success and -errno on failure; those that take a `struct usher_err *`
 * (NULL is fine) say there what they could not do: subject, action, object, reason. It is written
 * on failure only.
 */
struct usher_err {
	int code; /* -errno */
	char msg[512];
	char hint[320]; /* what to do next; "" when there is nothing to say */
};

#ifdef __cplusplus
}
#endif

#endif
