/* SPDX-License-Identifier: MIT */
#include "engine/clients.h"

#include "base/err.h"
#include "base/fd.h"
#include "engine/news.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SEND_ROOM (1 << 20) /* [bytes]: some hundred events wait for a client that does not read */
#define BACKLOG 4

int clients_add(struct clients *c, int fd, bool owner)
{
	const int room = SEND_ROOM;

	if (c->count == CLIENTS_MAX) {
		fd_close(&fd);
		return -E2BIG;
	}
	/* Without the right to it, the socket has the room that is usual on the host. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	c->list[c->count++] = (struct client){.fd = fd, .owner = owner};
	return 0;
}

int clients_listen(struct clients *c, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
		sizeof(address.sun_path))
		return -ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* We hold the lock, so an older socket has no owner. */
	(void)unlink(path);
	mode_t before = umask(0177);
	int r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	(void)umask(before);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0) {
		fd_close(&fd);
		return r;
	}
	c->listen_fd = fd;
	c->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	(void)snprintf(c->path, sizeof(c->path), "%s", path);
	return 0;
}

static void client_drop(struct clients *c, size_t i)
{
	fd_close(&c->list[i].fd);
	c->list[i] = c->list[--c->count];
	c->deaf = false;
}

static void client_send(struct client *to, struct wire_event *ev)
{
	ev->lost = to->lost;
	if (wire_send(to->fd, ev, sizeof(*ev), NULL) == 0)
		to->lost = 0;
	else
		to->lost++;
}

void clients_send(struct clients *c, struct wire_event *ev)
{
	ev->header.kind = WIRE_EVENT;
	for (size_t i = 0; i < c->count; i++)
		client_send(&c->list[i], ev);
}

/* The field is zero to its end, and what does not fit is cut off. */
static void text_set(char *field, size_t size, const char *text)
{
	(void)snprintf(field, size, "%s", text);
}

#define TEXT_SET(field, text) text_set(field, sizeof(field), text)

static void send_member(struct clients *c, const struct bind_group *g, const struct bind_member *m)
{
	struct wire_event ev = {
		.event = WIRE_EVENT_MEMBER,
		.group = g->number,
		.number = m->act,
		.flags = m->device.is_bridge ? WIRE_EVENT_BRIDGE : 0,
		.device = wire_address_of(m->device.address),
	};

	TEXT_SET(ev.from, m->device.driver);
	TEXT_SET(ev.to, m->driver);
	clients_send(c, &ev);
}

static void send_problem(struct clients *c, const struct bind_problem *p)
{
	struct wire_event ev = {
		.event = WIRE_EVENT_PROBLEM,
		.flags = (p->refuses ? WIRE_EVENT_REFUSES : 0U) |
			 (p->liftable ? WIRE_EVENT_LIFTABLE : 0U),
	};

	TEXT_SET(ev.check, p->check);
	TEXT_SET(ev.object, p->object);
	TEXT_SET(ev.text, p->text);
	TEXT_SET(ev.hint, p->fix);
	clients_send(c, &ev);
}

static void send_plan(struct clients *c, const struct bind_plan *p, struct wire_event *last)
{
	for (size_t i = 0; i < p->group_count; i++)
		for (size_t k = 0; k < p->groups[i].count; k++)
			send_member(c, &p->groups[i], &p->groups[i].members[k]);
	for (size_t i = 0; i < p->problem_count; i++)
		send_problem(c, &p->problems[i]);
	last->event = WIRE_EVENT_PLANNED;
	last->number = (int32_t)p->refusals;
	clients_send(c, last);
}

static void send_report(struct clients *c, int group, const struct bind_report *r)
{
	for (size_t i = 0; i < r->returned_count; i++) {
		const struct bind_returned *g = &r->returned[i];
		struct wire_event ev = {
			.event = WIRE_EVENT_RETURNED,
			.group = group,
			.flags = g->left ? WIRE_EVENT_LEFT : 0,
			.device = wire_address_of(g->address),
		};
		TEXT_SET(ev.from, g->from);
		TEXT_SET(ev.to, g->to);
		TEXT_SET(ev.text, g->text);
		clients_send(c, &ev);
	}
}

static void send_error(struct clients *c, uint32_t event, const struct keeper_news *n)
{
	struct wire_event ev = {
		.event = event, .group = n->group, .number = n->error->code, .us = n->us};

	TEXT_SET(ev.text, n->error->msg);
	TEXT_SET(ev.hint, n->error->hint);
	clients_send(c, &ev);
}

void clients_tell(struct clients *c, const struct keeper_news *n)
{
	struct wire_event ev = {.us = n->us, .group = n->group, .number = n->status};

	switch (n->event) {
	case KEEPER_PLANNED:
		send_plan(c, n->plan, &ev);
		return;
	case KEEPER_STARTED:
		ev.event = WIRE_EVENT_STARTED;
		ev.number = (int32_t)n->pid;
		break;
	case KEEPER_STOPPING:
		ev.event = WIRE_EVENT_STOPPING;
		break;
	case KEEPER_ENDED:
		ev.event = WIRE_EVENT_ENDED;
		if (n->error)
			TEXT_SET(ev.text, n->error->msg);
		break;
	case KEEPER_WIPED:
		ev.event = WIRE_EVENT_WIPED;
		ev.device = wire_address_of(n->wiped->address);
		ev.number = n->wiped->code;
		TEXT_SET(ev.text, n->wiped->text);
		break;
	case KEEPER_GIVEN:
		send_report(c, n->group, n->report);
		ev.event = WIRE_EVENT_GIVEN;
		break;
	case KEEPER_STUCK:
		send_report(c, n->group, n->report);
		send_error(c, WIRE_EVENT_STUCK, n);
		return;
	case KEEPER_FAILED:
		send_error(c, WIRE_EVENT_FAILED, n);
		return;
	case KEEPER_REFUSED:
		send_error(c, WIRE_EVENT_REFUSED, n);
		return;
	case KEEPER_WARNED:
		send_error(c, WIRE_EVENT_WARNED, n);
		return;
	case KEEPER_LOST: /* the client's own */
		return;
	}
	clients_send(c, &ev);
}

size_t clients_poll(const struct clients *c, struct pollfd *ret)
{
	ret[0] = (struct pollfd){.fd = c->deaf ? -1 : c->listen_fd, .events = POLLIN};
	for (size_t i = 0; i < c->count; i++)
		ret[i + 1] = (struct pollfd){.fd = c->list[i].fd, .events = POLLIN};
	return c->count + 1;
}

/* Return: a signal, 0 go on, -1 the client is gone. */
static int client_serve(struct client *from, const struct wire_event *state)
{
	struct wire_event answer = *state;
	struct wire_command command;

	int r = wire_receive(from->fd, &command, sizeof(command), NULL);
	if (r == 0)
		r = wire_command_check(&command);
	if (r == -EPROTO)
		return 0;
	if (r < 0)
		return -1;
	if (command.command == WIRE_COMMAND_STOP)
		return command.signal ? command.signal : SIGTERM;
	answer.header.kind = WIRE_EVENT;
	answer.header.id = command.header.id;
	answer.event = WIRE_EVENT_STATE;
	client_send(from, &answer);
	return 0;
}

/* Says to the client at @fd why it cannot stay. */
static void client_refuse(int fd, int code)
{
	struct wire_event full = {
		.header.kind = WIRE_EVENT, .event = WIRE_EVENT_FAILED, .number = code};

	if (code == -EUSERS)
		(void)snprintf(full.text, sizeof(full.text),
			"the keeper has %d clients already, and takes no more", CLIENTS_MAX);
	else
		(void)snprintf(full.text, sizeof(full.text), "the keeper takes no client: %s",
			strerror(-code));
	TEXT_SET(full.hint, "end one that is connected to this socket");
	(void)wire_send(fd, &full, sizeof(full), NULL);
	(void)close(fd);
}

/*
 * The connection stays in the queue if no descriptor is left for it, and poll(2) reports it again
 * at once: the spare one makes room to refuse it.
 */
static void client_accept(struct clients *c)
{
	int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	int code = fd < 0 ? -errno : c->count < CLIENTS_MAX ? 0 : -EUSERS;

	if (code == -EMFILE || code == -ENFILE) {
		fd_close(&c->spare_fd);
		fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	}
	if (fd >= 0 && code == 0)
		(void)clients_add(c, fd, false);
	else if (fd >= 0)
		client_refuse(fd, code);
	else
		c->deaf = code != -EAGAIN && code != -ECONNABORTED && code != -EINTR;
	if (c->spare_fd < 0)
		c->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int clients_serve(struct clients *c, const struct pollfd *polled, size_t count,
	const struct wire_event *state)
{
	int stop = 0;

	/* From the last one down: one that leaves is replaced by the last. */
	for (size_t i = count - 1; i > 0; i--) {
		struct client *from = &c->list[i - 1];
		if (!polled[i].revents)
			continue;
		int r = client_serve(from, state);
		if (r < 0 && from->owner)
			stop = SIGHUP;
		if (r < 0)
			client_drop(c, i - 1);
		else if (r > 0)
			stop = r;
	}
	if (polled[0].revents)
		client_accept(c);
	return stop;
}

void clients_close(struct clients *c)
{
	while (c->count)
		client_drop(c, c->count - 1);
	fd_close(&c->listen_fd);
	fd_close(&c->spare_fd);
	if (c->path[0])
		(void)unlink(c->path);
	c->path[0] = '\0';
}
