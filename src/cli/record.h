/* SPDX-License-Identifier: MIT */
#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include "pci/manifest.h"

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

/* The same into a file, "-": standard output. Return: 0, -errno. */
int record_write(struct host *h, enum record_secrecy secrecy, const char *file, struct err *e);

#endif
