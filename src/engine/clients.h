/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CLIENTS_H
#define ENGINE_CLIENTS_H

#include "wire/control.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

struct keeper_news;

#define CLIENTS_MAX 8
#define CLIENTS_PATH_MAX 108 /* of a socket: struct sockaddr_un */

/*
 * The keeper's side of its connections (wire/control.h). Nothing here waits for a client.
 */
struct clients {
	int listen_fd; /* -1: nobody else can connect */
	char path[CLIENTS_PATH_MAX]; /* of the socket, "" none */
	int spare_fd; /* closed to refuse a client when no descriptor is left; -1 none */
	bool deaf; /* not even that works: the next client waits until one leaves */
	size_t count;
	struct client {
		int fd;
		bool owner; /* its end is the loan's end */
		uint32_t lost; /* events that did not fit into its socket since the last that did */
	} list[CLIENTS_MAX];
};

#define CLIENTS_NONE ((struct clients){.listen_fd = -1, .spare_fd = -1})

/* Takes over @fd. Return: 0, -E2BIG with @fd closed. */
int clients_add(struct clients *c, int fd, bool owner);

/* Listens at @path, mode 0600. Return: 0, -errno. */
int clients_listen(struct clients *c, const char *path);

/* Sends one event, or several of one piece of news, to every client. */
void clients_send(struct clients *c, struct wire_event *ev);
void clients_tell(struct clients *c, const struct keeper_news *n);

/* Fills @ret for poll(2): room for CLIENTS_MAX + 1. Return: how many. */
size_t clients_poll(const struct clients *c, struct pollfd *ret);

/*
 * Serves what poll(2) has found in the @count entries of clients_poll(). @state: the answer to
 * WIRE_COMMAND_STATE. Return: 0, or a signal: the guest is to be stopped as if by that.
 */
int clients_serve(struct clients *c, const struct pollfd *polled, size_t count,
	const struct wire_event *state);

/* Closes all connections and removes the socket. What was sent stays readable. */
void clients_close(struct clients *c);

#endif
