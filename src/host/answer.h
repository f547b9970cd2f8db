/* SPDX-License-Identifier: MIT */
#ifndef HOST_ANSWER_H
#define HOST_ANSWER_H

#include "host/manifest.h"

#include <stdbool.h>

/*
 * What a recorder (host/recorder.h) knows about the paths that it was asked for. Paths are real
 * names: no component of them is a link.
 */
struct answer {
	char *path;
	bool is_known; /* false: it exists, and is not a link */
	enum manifest_kind kind;
	char *data; /* content, target or node, with a NUL at the end */
	size_t len;
	int error; /* MANIFEST_FAIL: -errno */
};

struct answers {
	void *tree; /* tsearch(3), in order of manifest_compare() */
	bool failed; /* out of memory: answers are missing */
};

/* Return: NULL when there is none yet. */
struct answer *answer_find(const struct answers *a, const char *path);

/* Finds the answer for a path, or makes one. Return: NULL when out of memory. */
struct answer *answer_note(struct answers *a, const char *path);

/* Sets the answer for a path. @data: copied; may be NULL. */
void answer_know(
	struct answers *a, const char *path, enum manifest_kind kind, const void *data, size_t len);

/* Notes a failure, if a snapshot has a word for it. Return: @error. */
int answer_fail(struct answers *a, const char *path, int error);

/*
 * Makes the answers entries of @m. Asks @host whether a path of which only the existence is known
 * is a folder. Return: 0, -ENOMEM.
 */
int answers_take(struct answers *a, struct host *host, struct manifest *m);

void answers_fini(struct answers *a);

#endif
