/* SPDX-License-Identifier: MIT */
#ifndef USHER_ERR_H
#define USHER_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Why a call failed, in words. The caller owns the struct; it has no memory of its own.
 *
 * Functions return 0 or more on success and -errno on failure. Those that take a `struct usher_err
 * *` (NULL is fine) also write there what they could not do and why. They write it on failure only.
 */
struct usher_err {
	int code; /* -errno */
	char msg[480]; /* what failed, on which object, why */
	unsigned reserved[8]; /* zero; for fields to come */
	char hint[320]; /* what to do next; "": no advice */
};

#ifdef __cplusplus
}
#endif

#endif
