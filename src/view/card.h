/* SPDX-License-Identifier: MIT */
#ifndef VIEW_CARD_H
#define VIEW_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json;

/* A report card: what was tried with a device, in order, and how it went. */
enum card_mark {
	CARD_PASSED,
	CARD_FAILED,
	CARD_SKIPPED, /* the device has nothing to try, or it could not be tried */
};

struct card_step {
	char name[32]; /* "gate", "reset flr" */
	enum card_mark mark;
	uint64_t time_ns; /* 0: it took none worth telling */
	char text[256]; /* escaped where it comes from a device or a process */
};

#define CARD_STEPS_MAX 32

struct card {
	size_t count;
	struct card_step steps[CARD_STEPS_MAX];
	bool tried; /* it could be opened */
	unsigned resets; /* ways to reset it that were tried */
	unsigned resets_passed;
};

/* Nanoseconds of a clock that only goes forward, for card_add(). */
uint64_t card_clock(void);

/* A step that began at @since (0: no time is told). More than CARD_STEPS_MAX are dropped. */
void card_add(struct card *c, const char *name, enum card_mark mark, uint64_t since,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Whether nothing failed, and it can be reset. */
bool card_passed(const struct card *c);

/* One sentence. */
const char *card_verdict(const struct card *c);

/* "passed", "failed", "skipped" */
const char *card_mark_name(enum card_mark m);

/* A line a step and the verdict; @margin stands in front of each. */
void card_text(FILE *to, const struct card *c, const char *margin);

/* The keys "passed", "verdict" and "steps". */
void card_json(struct json *map, const struct card *c);

#endif
