/* SPDX-License-Identifier: MIT */
#ifndef HOST_ANSWER_H
#define HOST_ANSWER_H

#include "host/manifest.h"

#include <stdbool.h>

/*
 * What a recorder (pci/recorder.h) knows of the paths that it was asked for, by their real names:
 * none goes through a link.
 */
struct answer {
	char *path;
	bool is_known; /* false: it exists, and is no link */
	enum manifest_kind kind;
	char *data; /* content, target or node, with a NUL behind it */
	size_t len;
	int error; /* MANIFEST_FAIL: -errno */
};

struct answers {
	void *tree; /* tsearch(3), in order of manifest_compare() */
	bool failed; /* out of memory: they are not whole */
};

struct answer *answer_find(const struct answers *a, const char *path); /* NULL: none yet */

/* The answer for a path, made when there is none yet. NULL without memory. */
struct answer *answer_note(struct answers *a, const char *path);

/* Fills one in. @data: NULL, or copied. */
void answer_know(
	struct answers *a, const char *path, enum manifest_kind kind, const void *data, size_t len);

/* A failure that a snapshot can tell; others are passed on only. Return: @error. */
int answer_fail(struct answers *a, const char *path, int error);

/*
 * All of them as entries of @m. @host: asked whether what nothing but the existence is known of is
 * a folder. Return: 0, -ENOMEM.
 */
int answers_take(struct answers *a, struct host *host, struct manifest *m);

void answers_fini(struct answers *a);

#endif
