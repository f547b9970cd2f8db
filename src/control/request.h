/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_REQUEST_H
#define CONTROL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * A request to a guest's keeper: one JSON object on one line (usher-control(7)).
 *
 * CONTROL_VERSION grows when a key or a command goes away or changes its meaning. New commands,
 * keys of answers and events may come at any time.
 */
#define CONTROL_VERSION 1
#define CONTROL_GIVEN_MAX 32 /* descriptors that come with one answer */
#define CONTROL_LINE_MAX 4096 /* [bytes] of a request, with its newline */
#define CONTROL_TIMEOUT_S 60 /* until a guest that does not react to its button is stopped */
#define CONTROL_TIMEOUT_MAX_S 86400
#define CONTROL_DETACH_S 30 /* for a guest to let a device go */
#define CONTROL_DETACH_MAX_S 3600
#define CONTROL_ALLOW_MAX 8
#define CONTROL_DISK_MAX 512 /* with the NUL */
#define CONTROL_PORT_MAX 64 /* of a port's name, with the NUL */
#define CONTROL_CARD_MAX 32

enum control_command {
	CONTROL_STATE = 1,
	CONTROL_STOP,
	CONTROL_RESET,
	CONTROL_PAUSE,
	CONTROL_RESUME,
	CONTROL_STATISTICS,
	CONTROL_CONSOLE,
	CONTROL_EVENTS,
	CONTROL_RESIZE,
	CONTROL_LINK,
	CONTROL_BALLOON,
	CONTROL_DESCRIPTORS, /* of a lease, and so is what follows */
	CONTROL_RETURN,
	CONTROL_ATTACH, /* of a guest that runs; and so is the next */
	CONTROL_DETACH,
	CONTROL_RESTRICT, /* of any connection */
};

#define CONTROL_DEVICES_MAX 16 /* in one request */
#define CONTROL_WORD_MAX 24 /* of an address, or of a check's name, with the NUL */

struct control_words {
	size_t count;
	char list[CONTROL_DEVICES_MAX][CONTROL_WORD_MAX];
};

struct control_request {
	enum control_command command;
	bool has_id;
	int64_t id; /* the answer has it, too */
	bool force; /* stop: without the button */
	/* stop: then without the button; 0: never. detach: for the guest to let go */
	uint32_t timeout_s;
	bool read_only; /* console */
	bool stream; /* console: on this connection, from the line after the answer on */
	char disk[CONTROL_DISK_MAX]; /* resize: its path, or its serial number */
	uint64_t size; /* [bytes] of the image, 0: as it is; balloon: that the guest keeps */
	char port[CONTROL_PORT_MAX]; /* console: this port; "": the console itself */
	char card[CONTROL_CARD_MAX]; /* link: its tap, "user", or its address */
	bool up; /* link */
	struct control_words devices; /* attach, detach: their addresses, as texts */
	struct control_words allow; /* attach: checks to skip */
	struct control_words to; /* restrict: names of commands */
	uint32_t commands; /* restrict: those, as control_command_bit() */
};

/*
 * Parses a line without its newline. @ret->has_id and id are set even on failure, where the line
 * has an id. Return: 0, -EINVAL with a sentence; -ENOPKG, -ENOMEM.
 */
int control_request_parse(const char *line, size_t len, struct control_request *ret, struct err *e);

const char *control_command_name(enum control_command c);

/* A set of commands is a number with these bits. */
static inline uint32_t control_command_bit(enum control_command c)
{
	return UINT32_C(1) << c;
}

#endif
