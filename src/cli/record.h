/* SPDX-License-Identifier: MIT */
#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include "host/manifest.h"

#include <stdbool.h>

struct err;

/*
 * All that the read verbs read of @h, by running them: what they print goes nowhere. So nothing
 * that a verb reads can be forgotten here. @ret: manifest_fini(). Return: 0, -ENOMEM, -errno.
 */
int record_host(struct host *h, struct manifest *ret, struct err *e);

enum record_secrecy {
	RECORD_REDACTED, /* no serial numbers, MACs, and words of the command line that are private */
	RECORD_EXACT,
};

/* The same as text; *@ret is the caller's to free(). Return: 0, -ENOMEM, -errno. */
int record_text(
	struct host *h, enum record_secrecy secrecy, char **ret, size_t *ret_len, struct err *e);

/*
 * Such a text into a file that all may read, with @remark, lines that begin with '#', below its
 * first line. Return: 0, -errno.
 */
int record_put(const char *file, const char *text, const char *remark, struct err *e);

/* All at once; "-" is standard output. An exact one is for its owner alone. Return: 0, -errno. */
int record_write(struct host *h, enum record_secrecy secrecy, const char *file, struct err *e);

#endif
