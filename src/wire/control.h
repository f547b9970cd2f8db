/* SPDX-License-Identifier: MIT */
#ifndef WIRE_CONTROL_H
#define WIRE_CONTROL_H

#include "wire/call.h"
#include "wire/message.h"

/*
 * What the keeper and its clients say to each other: `usher run` and `usher exec`, and whoever
 * connects to /run/usher/vm/NAME/socket. A client gets every event from its connection on. The
 * keeper never waits for a client: what does not fit into the socket of one that does not read is
 * lost to that client, and the next event that fits says how much that was.
 */

enum wire_event_kind {
	WIRE_EVENT_MEMBER =
		1, /* of the plan: @device of @group goes @from, @to; @number: enum bind_act */
	WIRE_EVENT_PROBLEM, /* of the plan: @check, @object, @text; @hint: what to do */
	WIRE_EVENT_PLANNED, /* all of the plan has been said; @number: problems that refuse */
	WIRE_EVENT_STARTED, /* process @number is the guest or the program */
	WIRE_EVENT_STOPPING, /* by signal @number, or a client's command */
	WIRE_EVENT_ENDED, /* @number: its exit status */
	WIRE_EVENT_WIPED, /* @device was reset, or not (@number: -errno); @text: how, or why */
	WIRE_EVENT_RETURNED, /* @device of @group went @from, @to */
	WIRE_EVENT_GIVEN, /* all of @group went back */
	WIRE_EVENT_STUCK, /* not all of it did: @number, @text, @hint; the journal keeps it */
	/* the keeper's own failure: @number, @text, @hint. -EUSERS: it takes no more clients */
	WIRE_EVENT_FAILED,
	WIRE_EVENT_DONE, /* the last one; @number: the keeper's exit status */
	/* to the client that asked: @object: name, @text: engine, @number: process */
	WIRE_EVENT_STATE,
	WIRE_EVENT_REFUSED, /* usher-vmm made a system call that ended it: @text, @hint */
	WIRE_EVENT_WARNED, /* the guest runs without a default device: @text, @hint */
};

enum wire_event_flag {
	WIRE_EVENT_BRIDGE = 1 << 0, /* member: a bridge */
	WIRE_EVENT_REFUSES = 1 << 1, /* problem */
	WIRE_EVENT_LIFTABLE = 1 << 2, /* problem: by --allow */
	WIRE_EVENT_LEFT = 1 << 3, /* returned: not where it should be, @text says why */
};

#define WIRE_DRIVER_MAX 64
#define WIRE_TEXT_MAX 512

/* Texts end with a NUL. A field that the kind of event does not name is zero. */
struct wire_event {
	struct wire_header header; /* WIRE_EVENT */
	uint32_t event; /* enum wire_event_kind */
	uint32_t lost; /* events between the last one and this one */
	int64_t us; /* how long the step took that has just ended */
	int32_t group;
	int32_t number;
	uint32_t flags; /* enum wire_event_flag */
	struct wire_address device;
	char from[WIRE_DRIVER_MAX]; /* driver, "" none */
	char to[WIRE_DRIVER_MAX];
	char check[WIRE_DRIVER_MAX];
	char object[WIRE_DRIVER_MAX];
	char text[WIRE_TEXT_MAX];
	char hint[WIRE_TEXT_MAX];
};

enum wire_command_kind {
	WIRE_COMMAND_STOP = 1, /* the guest; once more: kill it. @signal: in whose place */
	WIRE_COMMAND_STATE, /* answered by WIRE_EVENT_STATE */
};

struct wire_command {
	struct wire_header header; /* WIRE_COMMAND */
	uint32_t command; /* enum wire_command_kind */
	int32_t signal; /* of STOP: [0, 64] */
};

/* Whether every field is in bounds. Return: 0, -EPROTO. */
int wire_event_check(const struct wire_event *ev);
int wire_command_check(const struct wire_command *c);

#endif
