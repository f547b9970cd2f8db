/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_CONSOLE_CONTROL_H
#define VMM_VIRTIO_CONSOLE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The control messages of a console with several ports. No queues, and no memory of a guest: bytes
 * in, bytes out.
 *
 * How it works. What the driver is still to be told of a port is a set of bits, not a list of
 * messages. So a driver that asks for ever, or never reads, makes nothing grow; and what it reads
 * late is what is so then. A message that makes no sense is counted, and otherwise ignored: the
 * specification has no answer to it.
 *
 * Ref: virtio 1.2, 5.3.6.2.
 */
#define CONSOLE_PORTS_MAX 16
#define CONSOLE_NAME_MAX 64 /* with the NUL */
#define CONSOLE_MESSAGE_MAX (8 + CONSOLE_NAME_MAX)

struct console_control_port {
	const char *name;
	bool connected; /* somebody is at the host's end */
	bool ready; /* the driver has taken it in */
	bool open; /* a program of the guest has it open */
	uint8_t due; /* bit N: the driver is to be told event N */
};

struct console_control {
	unsigned port_count;
	struct console_control_port ports[CONSOLE_PORTS_MAX];
	uint64_t misdeeds; /* messages that made no sense */
};

/* The driver is gone, or begins. Names and connections stay. */
void console_control_reset(struct console_control *c);

/* A driver without VIRTIO_CONSOLE_F_MULTIPORT has port 0 open, and no messages. */
void console_control_begin_single(struct console_control *c);

/* The driver sends a message of @len bytes. */
void console_control_take(struct console_control *c, const uint8_t *bytes, size_t len);

/* Somebody has come to the host's end of port @n, or has left it. */
void console_control_connect(struct console_control *c, unsigned n, bool connected);

/*
 * The next message for the driver; it counts as told. @ret: CONSOLE_MESSAGE_MAX bytes.
 * Return: [bytes], 0 there is none.
 */
size_t console_control_next(struct console_control *c, uint8_t *ret);

/* Whether there is one. */
bool console_control_is_due(const struct console_control *c);

#endif
