/* SPDX-License-Identifier: MIT */
#include "engine/qemu/onlookers.h"

#include "base/fd.h"
#include "base/num.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void onlookers_put(struct onlookers *o, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		o->history[o->end++ % ONLOOKERS_HISTORY] = bytes[i];
}

int onlookers_add(struct onlookers *o, int fd, bool read_only)
{
	if (o->count == ONLOOKERS_MAX) {
		fd_close(&fd);
		return -EUSERS;
	}
	o->list[o->count++] = (struct onlooker){.fd = fd,
		.read_only = read_only,
		.at = o->end > ONLOOKERS_HISTORY ? o->end - ONLOOKERS_HISTORY : 0};
	return 0;
}

static void onlooker_drop(struct onlookers *o, size_t i)
{
	fd_close(&o->list[i].fd);
	o->list[i] = o->list[--o->count];
}

size_t onlookers_piece(const struct onlookers *o, uint64_t at, const char **ret)
{
	size_t from = at % ONLOOKERS_HISTORY;

	*ret = o->history + from;
	return min_u64(o->end - at, ONLOOKERS_HISTORY - from);
}

size_t onlookers_poll(const struct onlookers *o, struct pollfd *ret, bool keys)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct onlooker *w = &o->list[i];
		const bool listens = !w->silent && (keys || w->read_only);
		ret[i] = (struct pollfd){.fd = w->fd,
			.events = (short)((listens ? POLLIN : 0) |
					  (w->at < o->end || w->lost ? POLLOUT : 0))};
	}
	return o->count;
}

/* Return: [bytes], 0 none, -EPIPE it is gone. */
static ssize_t keys_take(struct onlooker *w, char *keys, size_t room)
{
	char unread[64];

	if (!w->read_only && !room)
		return 0;
	ssize_t n = recv(w->fd, w->read_only ? unread : keys, w->read_only ? sizeof(unread) : room,
		MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
	w->silent |= n == 0;
	return w->read_only ? 0 : n;
}

size_t onlookers_serve(
	struct onlookers *o, const struct pollfd *polled, size_t count, char *keys, size_t room)
{
	size_t typed = 0;

	/* From the last one down: one that leaves is replaced by the last. */
	for (size_t i = count; i > 0; i--) {
		struct onlooker *w = &o->list[i - 1];
		short events = polled[i - 1].revents;
		ssize_t n = events & POLLIN ? keys_take(w, keys + typed, room - typed) : 0;
		/* What it typed before it left is the guest's. */
		if (n < 0 || (events & (POLLHUP | POLLERR) && !(events & POLLIN)))
			onlooker_drop(o, i - 1);
		else
			typed += (size_t)n;
	}
	return typed;
}

/* Return: [bytes] sent, 0 the socket has no room, -EPIPE. */
static ssize_t onlooker_send(const struct onlooker *w, const void *data, size_t len)
{
	ssize_t n = send(w->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
}

/* Return: 1 it got it, 0 no room, -EPIPE. */
static int loss_tell(const struct onlookers *o, struct onlooker *w)
{
	char note[96];

	if (o->end - w->at > ONLOOKERS_HISTORY) {
		w->lost += o->end - ONLOOKERS_HISTORY - w->at;
		w->at = o->end - ONLOOKERS_HISTORY;
	}
	if (!w->lost)
		return 1;
	int len = snprintf(note, sizeof(note),
		"\r\n[usher: %" PRIu64 " bytes are lost here, because they were not read]\r\n",
		w->lost);
	ssize_t sent = onlooker_send(w, note, (size_t)len);
	if (sent <= 0)
		return (int)sent;
	w->lost = 0;
	return 1;
}

/* Return: 0, -EPIPE. */
static int onlooker_show(const struct onlookers *o, struct onlooker *w)
{
	const char *piece;

	while (w->at < o->end) {
		int r = loss_tell(o, w);
		if (r <= 0)
			return r;
		size_t len = onlookers_piece(o, w->at, &piece);
		ssize_t sent = onlooker_send(w, piece, len);
		if (sent <= 0)
			return (int)sent;
		w->at += (uint64_t)sent;
	}
	return 0;
}

void onlookers_show(struct onlookers *o)
{
	for (size_t i = o->count; i > 0; i--)
		if (onlooker_show(o, &o->list[i - 1]) < 0)
			onlooker_drop(o, i - 1);
}
