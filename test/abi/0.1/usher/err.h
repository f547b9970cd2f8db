/* SPDX-License-Identifier: MIT */
#ifndef USHER_ERR_H
#define USHER_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

struct usher_err {
	int code;
	char msg[512];
	char hint[320];
};

#ifdef __cplusplus
}
#endif

#endif
