/* SPDX-License-Identifier: MIT */
#ifndef VMM_STATS_FIGURES_H
#define VMM_STATS_FIGURES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Named figures in named sections, as text ("stats: a.b 1", blanks in names become '_') or as one
 * JSON object with an object for each section. Names are ours or a device's address.
 */
#define FIGURES_DEPTH 4

struct figures {
	FILE *out;
	bool json;
	bool first; /* in its section */
	unsigned depth;
	const char *path[FIGURES_DEPTH];
};

void figures_begin(struct figures *f, FILE *out, bool json);
void figures_end(struct figures *f);

/* @name: lives until the section is closed. Deeper than FIGURES_DEPTH is a bug of ours. */
void figures_open(struct figures *f, const char *name);
void figures_close(struct figures *f);

void figures_number(struct figures *f, const char *name, uint64_t v);
void figures_text(struct figures *f, const char *name, const char *v);

#endif
