/* SPDX-License-Identifier: MIT */
#ifndef VIEW_CARD_H
#define VIEW_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json;

/* A report card: the steps of a trial, in order, with their results. */
enum card_mark {
	CARD_PASSED,
	CARD_FAILED,
	CARD_SKIPPED, /* not applicable to this device, or not possible here */
};

struct card_step {
	char name[32]; /* "gate", "reset flr" */
	enum card_mark mark;
	uint64_t time_ns; /* 0: not measured */
	char text[256]; /* escaped if it comes from a device or a process */
};

#define CARD_STEPS_MAX 32

struct card {
	size_t count;
	struct card_step steps[CARD_STEPS_MAX];
	bool tried; /* it could be opened */
	unsigned resets; /* reset methods that were tried */
	unsigned resets_passed;
};

/* A monotonic clock [ns] for card_add(). */
uint64_t card_clock(void);

/* Adds a step that began at @since (0: not measured). Steps beyond CARD_STEPS_MAX are dropped. */
void card_add(struct card *c, const char *name, enum card_mark mark, uint64_t since,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* True if no step failed and at least one reset works. */
bool card_passed(const struct card *c);

/* One sentence. */
const char *card_verdict(const struct card *c);

/* "passed", "failed", "skipped" */
const char *card_mark_name(enum card_mark m);

/* Writes one line per step, and the verdict; each line begins with @margin. */
void card_text(FILE *to, const struct card *c, const char *margin);

/* The keys "passed", "verdict" and "steps". */
void card_json(struct json *map, const struct card *c);

#endif
