/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_QEMU_MONITOR_H
#define ENGINE_QEMU_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control_value;
struct guest_spec;
struct qemu_parts;

/* The other end of QMP, JSON in lines over a socket. It waits for QEMU. */
#define MONITOR_LINE_MAX 65536
#define MONITOR_WAIT_MS 4000 /* for an answer: less than the keeper waits */
#define MONITOR_REFUSAL_MAX 256

struct monitor {
	int qmp; /* -1: closed */
	bool greeted; /* QMP's commands are on */
	size_t used;
	char line[MONITOR_LINE_MAX];
	const struct guest_spec *spec;
	const struct qemu_parts *parts;
	uint64_t links_down; /* bit N: of virtio device N */
	uint64_t next_id; /* of a command */
	int wait_ms; /* for an answer; 0: MONITOR_WAIT_MS */
	char refusal[MONITOR_REFUSAL_MAX]; /* QEMU's words, when it has refused something */
};

/*
 * Has QEMU do @command, JSON with "execute" and perhaps "arguments". @ret: its answer,
 * control_value_free(); NULL: it does not matter.
 * Return: 0; -ENODEV it has no such device; -EREMOTEIO it refuses; -ETIMEDOUT, -EPIPE, -EPROTO,
 * -errno.
 */
int monitor_ask(struct monitor *m, const char *command, struct control_value **ret);

#endif
