/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/console_peer.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#define DRAIN_IDLE_MS 100 /* for the reader of an outbox at the end: without a byte, and in all */
#define DRAIN_MS 1000

static struct console_peer *of_end(struct console_end *e)
{
	return container_of(e, struct console_peer, end);
}

static bool has_outbox(const struct console_peer *p)
{
	return p->spec.kind == CONSOLE_PEER_FILE || p->spec.kind == CONSOLE_PEER_STDIO;
}

/* The kernel reports the end of a peer unasked: EPOLLERR asks for that alone. */
static void link_watch(struct console_peer *p)
{
	uint32_t wanted = 0;

	if (p->present && !p->hung && p->link.fd >= 0 && !(p->silent && has_outbox(p)))
		wanted = (uint32_t)EPOLLERR |
			 (p->wants_input && !p->silent ? (uint32_t)EPOLLIN : 0U) |
			 (p->wants_room ? (uint32_t)EPOLLOUT : 0U);
	if (wanted == p->watched)
		return;
	if (p->watched)
		loop_remove(p->loop, &p->link);
	p->watched = 0;
	p->link.events = wanted;
	if (wanted && loop_add(p->loop, &p->link, NULL) == 0)
		p->watched = wanted;
}

/* A socket is listened to while there is no peer; a pseudo terminal is opened at any time. */
static void door_watch(struct console_peer *p)
{
	const bool wanted = p->door.fd >= 0 && (p->spec.kind == CONSOLE_PEER_PTY || !p->present);

	if (wanted == p->door_watched)
		return;
	if (p->door_watched)
		loop_remove(p->loop, &p->door);
	p->door_watched = wanted && loop_add(p->loop, &p->door, NULL) == 0;
}

static void peer_leave(struct console_peer *p)
{
	p->present = p->hung = p->silent = p->wants_room = false;
	link_watch(p);
	if (p->spec.kind == CONSOLE_PEER_SOCKET)
		fd_close(&p->link.fd);
	door_watch(p);
	p->changed(p);
}

WALL_CALL(main, sendmsg);
WALL_CALL(main, recvmsg);

static ssize_t link_write(const struct console_peer *p, const void *bytes, size_t len)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
	const struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	return p->spec.kind == CONSOLE_PEER_PTY
		       ? write(p->link.fd, bytes, len)
		       : sendmsg(p->link.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static size_t link_send(struct console_peer *p, const uint8_t *bytes, size_t len)
{
	if (!p->present || p->hung)
		return len;
	const ssize_t sent = link_write(p, bytes, len);
	if (sent >= 0)
		return (size_t)sent;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	/* It has left: the loop reports that, too, and what it wrote is read first. */
	return len;
}

/* What is beyond the limit is dropped. */
static size_t file_allows(struct console_peer *p, size_t len)
{
	if (p->spec.kind != CONSOLE_PEER_FILE)
		return len;
	const size_t left = (size_t)min_u64(len, p->spec.limit - p->written);
	if (left < len && p->written < p->spec.limit)
		log_warn(p->guest,
			"port '%s': its file has %" PRIu64 " bytes of this run, its limit: the "
			"rest is dropped",
			p->name, p->spec.limit);
	return left;
}

static size_t peer_send(struct console_end *e, const uint8_t *bytes, size_t len)
{
	struct console_peer *p = of_end(e);

	if (!has_outbox(p))
		return link_send(p, bytes, len);
	const size_t allowed = file_allows(p, len);
	if (allowed && !outbox_offer(&p->outbox, bytes, allowed))
		return 0;
	outbox_flush(&p->outbox);
	p->written += allowed;
	if (allowed < len)
		p->written = p->spec.limit;
	return len;
}

static ssize_t link_read(const struct console_peer *p, void *bytes, size_t size)
{
	struct iovec part = {.iov_base = bytes, .iov_len = size};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	return p->spec.kind == CONSOLE_PEER_SOCKET ? recvmsg(p->link.fd, &m, MSG_DONTWAIT)
						   : read(p->link.fd, bytes, size);
}

/* A terminal that nobody has open any more, or a shared one of the background, gives EIO. */
static void input_end(struct console_peer *p)
{
	p->silent = true;
	if (p->hung)
		peer_leave(p);
	else
		link_watch(p);
}

WALL_CALL(main, poll);

/* Standard input may be a file that blocks, and others share it. */
static bool has_input(const struct console_peer *p)
{
	struct pollfd one = {.fd = p->link.fd, .events = POLLIN};

	return p->spec.kind != CONSOLE_PEER_STDIO || poll(&one, 1, 0) > 0;
}

static size_t peer_receive(struct console_end *e, uint8_t *bytes, size_t size)
{
	struct console_peer *p = of_end(e);

	if (!p->present || p->silent || p->link.fd < 0 || !has_input(p))
		return 0;
	const ssize_t got = link_read(p, bytes, size);
	if (got > 0)
		return (size_t)got;
	if (got == 0 || (errno != EAGAIN && errno != EINTR))
		input_end(p);
	return 0;
}

/* Whether one that has left has written what is still to be read. */
static bool has_left_input(const struct console_peer *p)
{
	char byte;
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	struct pollfd one = {.fd = p->link.fd, .events = POLLIN};

	if (p->silent)
		return false;
	if (p->spec.kind == CONSOLE_PEER_SOCKET)
		return recvmsg(p->link.fd, &m, MSG_DONTWAIT | MSG_PEEK) > 0;
	return poll(&one, 1, 0) > 0 && one.revents & POLLIN;
}

static void peer_want(struct console_end *e, bool open, bool input, bool room)
{
	struct console_peer *p = of_end(e);

	p->wants_input = input;
	p->wants_room = room;
	/* A guest that is not there misses it, as by a line that is unplugged. */
	if (p->hung && (!open || !has_left_input(p)))
		peer_leave(p);
	link_watch(p);
}

/* Context: main thread. */
static void on_link(struct loop_source *s, uint32_t events)
{
	struct console_peer *p = container_of(s, struct console_peer, link);
	const bool ends = events & (EPOLLHUP | EPOLLERR);

	if (ends && p->spec.kind == CONSOLE_PEER_STDIO && !(events & EPOLLIN))
		input_end(p);
	if (ends && p->spec.kind != CONSOLE_PEER_STDIO) {
		p->hung = true;
		link_watch(p);
	}
	if (p->hung && !has_left_input(p))
		peer_leave(p);
	else
		p->changed(p);
}

WALL_CALL(main, accept4);

static void socket_accept(struct console_peer *p)
{
	p->link.fd = accept4(p->door.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (p->link.fd < 0)
		return;
	p->present = true;
	door_watch(p);
	link_watch(p);
	p->changed(p);
}

/* Whether a process has the slave open. */
static bool pty_is_open(const struct console_peer *p)
{
	struct pollfd one = {.fd = p->link.fd};

	return poll(&one, 1, 0) >= 0 && !(one.revents & POLLHUP);
}

static void pty_look(struct console_peer *p)
{
	if (!pty_is_open(p) || (p->present && !p->hung))
		return;
	p->present = true;
	p->hung = p->silent = false;
	link_watch(p);
	p->changed(p);
}

static void on_door(struct loop_source *s, uint32_t events)
{
	struct console_peer *p = container_of(s, struct console_peer, door);
	char opened[16 * sizeof(struct inotify_event)];

	if (p->spec.kind == CONSOLE_PEER_SOCKET) {
		socket_accept(p);
	} else if (read(s->fd, opened, sizeof(opened)) >= 0) {
		pty_look(p);
	}
}

/* Context: the outbox's thread. */
static void outbox_room(struct outbox *o)
{
	struct console_peer *p = container_of(o, struct console_peer, outbox);

	p->changed(p);
}

static int outbox_begin(struct console_peer *p)
{
	const bool is_file = p->spec.kind == CONSOLE_PEER_FILE;

	p->present = true;
	p->link.fd = is_file ? -1 : STDIN_FILENO;
	int r = outbox_init(&p->outbox, "port", is_file ? p->spec.fd : STDOUT_FILENO);
	p->outbox.ready = outbox_room;
	return r;
}

void console_peer_prepare(struct console_peer *p, const struct console_peer_spec *s)
{
	*p = (struct console_peer){
		.end = {.send = peer_send, .receive = peer_receive, .want = peer_want},
		.spec = *s,
		.link = {.fd = -1, .ready = on_link},
		.door = {.fd = -1, .ready = on_door},
	};
}

int console_peer_init(struct console_peer *p, struct loop *l, struct err *e)
{
	const struct console_peer_spec *s = &p->spec;

	p->loop = l;
	if (has_outbox(p)) {
		int r = outbox_begin(p);
		return r < 0 ? err_set(e, r, "make a port's buffer") : 0;
	}
	p->door.fd = s->kind == CONSOLE_PEER_SOCKET ? s->fd : s->door_fd;
	p->link.fd = s->kind == CONSOLE_PEER_PTY ? s->fd : -1;
	door_watch(p);
	if (p->door.fd >= 0 && !p->door_watched)
		return err_say(e, -EPERM, "watch for who comes to port '%s'", p->name);
	if (s->kind == CONSOLE_PEER_PTY)
		pty_look(p);
	return 0;
}

WALL_CALL(main, close);

void console_peer_fini(struct console_peer *p)
{
	if (p->watched)
		loop_remove(p->loop, &p->link);
	if (p->door_watched)
		loop_remove(p->loop, &p->door);
	if (p->loop)
		loop_settle(p->loop);
	if (p->outbox.bytes) {
		(void)outbox_drain(&p->outbox, DRAIN_IDLE_MS, DRAIN_MS);
		if (p->outbox.closed)
			log_warn(p->guest,
				"port '%s': what it sent at the end could not be written", p->name);
		outbox_fini(&p->outbox);
		if (p->outbox.dropped)
			log_warn(p->guest,
				"port '%s': %" PRIu64 " bytes of what it sent are lost, because "
				"the kernel started no thread to write them",
				p->name, p->outbox.dropped);
	}
	if (p->spec.kind == CONSOLE_PEER_SOCKET)
		fd_close(&p->link.fd);
	fd_close(&p->spec.fd);
	fd_close(&p->spec.door_fd);
}
