/* SPDX-License-Identifier: MIT */
#include "vmm/viewers.h"

#include "base/fd.h"
#include "base/num.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/*
 * How it works
 *
 * The guest's bytes go into one ring, the history. Places in it are counted from the guest's first
 * byte, so each viewer is a number: what it gets next. A viewer whose number the ring has
 * overwritten goes on at the oldest byte. A byte costs the guest one store, whoever looks.
 *
 * Bytes are copied out under the lock, and sent without it. A socket without room is watched until
 * it has some; keys are not read while the guest has no room for them.
 */
#define PIECE 4096 /* [bytes] that are copied out at once */
#define PIECES (VIEWERS_HISTORY / PIECE + 1) /* the whole history, then other events have a turn */
#define KEYS_MAX 64

void viewers_init(struct viewers *v)
{
	v->history = malloc(VIEWERS_HISTORY);
	v->end = 0;
	for (size_t i = 0; i < VIEWERS_MAX; i++)
		v->list[i] = (struct viewer){.source.fd = -1, .all = v};
}

void viewers_put(struct viewers *v, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; v->history && i < len; i++)
		v->history[v->end++ % VIEWERS_HISTORY] = (char)bytes[i];
}

/* Under the lock. */
static void viewer_watch(struct viewer *w)
{
	/* The kernel reports the end of a connection unasked: EPOLLERR asks for that alone. */
	uint32_t wanted = (uint32_t)(w->full || w->silent ? EPOLLERR : EPOLLIN) |
			  (w->stuck ? (uint32_t)EPOLLOUT : 0U);

	if (wanted == w->watched)
		return;
	if (w->watched)
		loop_remove(w->all->loop, &w->source);
	w->watched = 0;
	w->source.events = wanted;
	if (loop_add(w->all->loop, &w->source, NULL) == 0)
		w->watched = wanted;
}

static void viewer_drop(struct viewer *w)
{
	lock_take(w->all->lock);
	if (w->watched)
		loop_remove(w->all->loop, &w->source);
	w->watched = 0;
	fd_close(&w->source.fd);
	w->all->count--;
	lock_drop(w->all->lock);
	if (w->all->changed)
		w->all->changed(w->all);
}

void viewers_room(struct viewers *v)
{
	for (size_t i = 0; i < VIEWERS_MAX; i++) {
		struct viewer *w = &v->list[i];
		if (w->source.fd < 0 || !w->full)
			continue;
		w->full = false;
		viewer_watch(w);
	}
}

/* Copies what @w gets next. Under the lock. Return: [bytes]. */
static size_t history_copy(struct viewer *w, char *to, size_t size)
{
	const struct viewers *v = w->all;

	if (v->end - w->at > VIEWERS_HISTORY) {
		w->lost += v->end - VIEWERS_HISTORY - w->at;
		w->at = v->end - VIEWERS_HISTORY;
	}
	size_t from = w->at % VIEWERS_HISTORY;
	size_t len = min_u64(min_u64(v->end - w->at, size), VIEWERS_HISTORY - from);
	if (len)
		memcpy(to, v->history + from, len);
	return len;
}

WALL_CALL(main, sendmsg);

/* Return: [bytes] sent, 0 the socket has no room, -errno. */
static ssize_t viewer_send(const struct viewer *w, const void *data, size_t len)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	const struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	ssize_t sent = sendmsg(w->source.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent >= 0 ? sent : errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* Return: 1 the viewer got it, 0 the socket has no room, -errno. */
static int loss_tell(struct viewer *w)
{
	char note[96];

	if (!w->lost)
		return 1;
	int len = snprintf(note, sizeof(note),
		"\r\n[usher: %" PRIu64 " bytes are lost here, because they were not read]\r\n",
		w->lost);
	ssize_t sent = viewer_send(w, note, (size_t)len);
	if (sent <= 0)
		return (int)sent;
	w->lost = 0;
	return 1;
}

/* Sends one piece. Return: 1 there may be more, 0 there is none or no room, -errno. */
static int piece_show(struct viewer *w)
{
	char piece[PIECE];

	lock_take(w->all->lock);
	size_t len = history_copy(w, piece, sizeof(piece));
	lock_drop(w->all->lock);
	int r = loss_tell(w);
	if (r < 0)
		return r;
	ssize_t sent = r && len ? viewer_send(w, piece, len) : 0;
	if (sent < 0)
		return (int)sent;
	w->at += (uint64_t)sent;
	lock_take(w->all->lock);
	w->stuck = (size_t)sent < len;
	viewer_watch(w);
	lock_drop(w->all->lock);
	return len && (size_t)sent == len;
}

static void viewer_show(struct viewer *w)
{
	int r = 1;

	for (unsigned i = 0; i < PIECES && r > 0; i++)
		r = piece_show(w);
	if (r < 0)
		viewer_drop(w);
	if (r <= 0)
		return;
	/* The loop comes back for the rest. */
	lock_take(w->all->lock);
	w->stuck = true;
	viewer_watch(w);
	lock_drop(w->all->lock);
}

void viewers_show(struct viewers *v)
{
	for (size_t i = 0; i < VIEWERS_MAX; i++)
		if (v->list[i].source.fd >= 0 && !v->list[i].stuck)
			viewer_show(&v->list[i]);
}

/* Stops watching when there is no room, until the guest has read. Return: the room [bytes]. */
static unsigned keys_room(struct viewer *w)
{
	lock_take(w->all->lock);
	unsigned room = w->read_only ? KEYS_MAX : w->all->room(w->all);
	w->full = !room;
	viewer_watch(w);
	lock_drop(w->all->lock);
	return room < KEYS_MAX ? room : KEYS_MAX;
}

/* It has shut down its side of the connection, and may go on to look. */
static void viewer_silence(struct viewer *w)
{
	lock_take(w->all->lock);
	w->silent = true;
	viewer_watch(w);
	lock_drop(w->all->lock);
}

WALL_CALL(main, recvmsg);
WALL_CALL(main, close);

static void keys_take(struct viewer *w)
{
	uint8_t keys[KEYS_MAX];
	struct iovec part = {.iov_base = keys, .iov_len = keys_room(w)};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	if (!part.iov_len)
		return;
	ssize_t len = recvmsg(w->source.fd, &m, MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len < 0) {
		viewer_drop(w);
	} else if (len == 0) {
		viewer_silence(w);
	} else if (!w->read_only) {
		lock_take(w->all->lock);
		w->all->receive(w->all, keys, (size_t)len);
		lock_drop(w->all->lock);
	}
}

static void on_viewer(struct loop_source *s, uint32_t events)
{
	struct viewer *w = container_of(s, struct viewer, source);

	if (events & EPOLLOUT)
		viewer_show(w);
	if (w->source.fd >= 0 && events & EPOLLIN)
		keys_take(w);
	/* What it typed before it left is the guest's. */
	if (w->source.fd >= 0 && events & (EPOLLHUP | EPOLLERR) &&
		(w->silent || !(events & EPOLLIN)))
		viewer_drop(w);
}

static struct viewer *place_find(struct viewers *v)
{
	for (size_t i = 0; i < VIEWERS_MAX; i++)
		if (v->list[i].source.fd < 0)
			return &v->list[i];
	return NULL;
}

int viewers_add(struct viewers *v, int fd, bool read_only)
{
	struct viewer *w = place_find(v);

	if (!w) {
		fd_close(&fd);
		return -EUSERS;
	}
	lock_take(v->lock);
	*w = (struct viewer){
		.source = {.fd = fd, .ready = on_viewer},
		.all = v,
		.read_only = read_only,
		.at = v->end > VIEWERS_HISTORY ? v->end - VIEWERS_HISTORY : 0,
	};
	viewer_watch(w);
	int r = w->watched ? 0 : -EPERM;
	if (r < 0)
		fd_close(&w->source.fd);
	else
		v->count++;
	lock_drop(v->lock);
	if (r < 0)
		return r;
	if (v->changed)
		v->changed(v);
	viewer_show(w);
	return 0;
}

void viewers_fini(struct viewers *v)
{
	for (size_t i = 0; v->lock && i < VIEWERS_MAX; i++)
		if (v->list[i].source.fd >= 0)
			viewer_drop(&v->list[i]);
	free(v->history);
	v->history = NULL;
}
