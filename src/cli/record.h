/* SPDX-License-Identifier: MIT */
#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include "host/manifest.h"

#include <stdbool.h>

struct err;

/*
 * Records everything that the read-only verbs read of @h, by running them and discarding their
 * output. So the record is always complete. The caller calls manifest_fini().
 * Return: 0, -ENOMEM, -errno.
 */
int record_host(struct host *h, struct manifest *ret, struct err *e);

enum record_secrecy {
	RECORD_REDACTED, /* without serial numbers, MAC addresses, private words */
	RECORD_EXACT,
};

/* The same as text; *@ret is the caller's to free(). Return: 0, -ENOMEM, -errno. */
int record_text(
	struct host *h, enum record_secrecy secrecy, char **ret, size_t *ret_len, struct err *e);

/*
 * Writes such a text to a file readable by all, with @remark (lines that begin with '#') after its
 * first line.
 * Return: 0, -EPERM, -errno.
 */
int record_put(const char *file, const char *text, const char *remark, struct err *e);

/*
 * Records and writes; "-" is standard output. Only its owner can read an exact one.
 * Return: 0, -EPERM, -errno.
 */
int record_write(struct host *h, enum record_secrecy secrecy, const char *file, struct err *e);

#endif
