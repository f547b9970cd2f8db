/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CONTROL_ROOM_H
#define ENGINE_CONTROL_ROOM_H

#include "engine/control_client.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * What all keepers do with the clients of their control sockets (usher-control(7)): accept them,
 * read their requests, and let none wait for another. Nothing here waits.
 */

/*
 * Listens at @path, mode 0600. The caller has locked the folder, so an older socket has no owner.
 * Return: a descriptor, -ENAMETOOLONG, -errno.
 */
int control_room_listen(const char *path);

/*
 * Accepts a client into @list, which has room for @most, and adds it to *@count. *@deaf: no
 * descriptor is left, so the next one waits until one leaves. Where all places are taken, a
 * connection that serves some commands alone gives its place; else the new client hears that there
 * is none. Return: the new one, to be greeted; NULL: there is none.
 */
struct control_client *control_room_accept(
	int listen_fd, struct control_client *list, size_t *count, size_t most, bool *deaf);

/* What poll(2) is to find at @c. */
struct pollfd control_room_poll(const struct control_client *c);

/* Whether a request of one of them can be served without an event. */
bool control_room_is_busy(const struct control_client *list, size_t count);

/*
 * Reads of @from after poll(2) has found @events, and parses its next request, one at most, so that
 * no client keeps the others waiting. What is no request is answered here.
 * Return: 1 *@ret is to be served; 0 nothing is; -1 the client is gone.
 */
int control_room_request(struct control_client *from, short events, struct control_request *ret);

#endif
