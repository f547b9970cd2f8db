/* SPDX-License-Identifier: MIT */
#ifndef CLI_CANDIDATE_H
#define CLI_CANDIDATE_H

#include "cli/complete.h"

struct host;

/* Prints one word that a shell may offer, if it begins with @part. @about: NULL for no remark. */
void candidate_put(const char *part, const char *word, const char *about);

/* Prints the words of @type that begin with @part. */
void candidates_print(struct complete_type type, struct host *h, const char *part);

#endif
