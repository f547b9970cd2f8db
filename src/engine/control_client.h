/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CONTROL_CLIENT_H
#define ENGINE_CONTROL_CLIENT_H

#include "control/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One connection to a keeper's control socket: what came of the next request, and what its socket
 * has not taken yet. A request is read only when all of the last answer is sent, so a client that
 * does not read gets stuck alone, and what waits for it is bounded.
 */
#define CONTROL_SEND_MAX 131072 /* [bytes] that wait for a client: one answer, and events */

struct control_client {
	int fd;
	char line[CONTROL_LINE_MAX];
	size_t line_len;
	char *out; /* what its socket has not taken yet */
	size_t out_len;
	int give_fds[CONTROL_GIVEN_MAX]; /* go with the byte at give_at of it */
	size_t give_count;
	size_t give_at;
	uint32_t commands; /* that this connection serves: a set; 0: all */
	bool events; /* it wants them */
	uint64_t lost; /* events for which there was no room */
	bool leaves; /* when all is sent */
	bool streams; /* it becomes a console when all is sent */
	bool read_only;
	uint64_t port; /* of which: as struct wire_order has it */
	int console_fd; /* that its order is about to make a console; -1 none */
	bool plugs; /* it waits for a change of devices */
	uint32_t order; /* id of the order that it waits for; 0 none */
	int64_t order_ms; /* since when */
	struct control_request request; /* that the order serves */
};

/* Takes over @fd, a stream socket. Return: 0, -ENOMEM with @fd closed. */
int control_client_init(struct control_client *c, int fd);
void control_client_fini(struct control_client *c);

/* Whether there is room for @len bytes more. */
bool control_client_has_room(const struct control_client *c, size_t len);

/* Appends a line, of which there has to be room for. @give_fd: goes with it, taken over; -1. */
void control_client_put(struct control_client *c, const char *line, size_t len, int give_fd);

/*
 * The next line goes with copies of the @count descriptors. Those of the last one have to be sent.
 * Return: 0, -E2BIG, -errno.
 */
int control_client_give(struct control_client *c, const int *fds, size_t count);

/* Sends what the socket takes. Return: 0, -errno: the client is gone. */
int control_client_flush(struct control_client *c);

/* Whether its next request may be served now. */
bool control_client_listens(const struct control_client *c);
/* Whether that has come. */
bool control_client_has_line(const struct control_client *c);

/*
 * Reads more of the next request. Return: 1 more bytes came, 0 nothing, -EPIPE the client is gone,
 * -E2BIG its line is too long.
 */
int control_client_read(struct control_client *c);

/* Takes the next line out. @ret: CONTROL_LINE_MAX bytes. Return: false: it is not complete. */
bool control_client_line(struct control_client *c, char *ret, size_t *ret_len);

#endif
