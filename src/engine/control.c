/* SPDX-License-Identifier: MIT */
#include "engine/control.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "engine/control/explain.h"
#include "engine/control/name.h"
#include "engine/control/plug.h"
#include "engine/control_answer.h"
#include "engine/control_room.h"
#include "engine/discard.h"
#include "engine/net.h"
#include "engine/news.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * How it works
 *
 * Each client is a socket that never blocks, with two bounded buffers. What the keeper knows itself
 * it answers at once. What usher-vmm has to do is an order: the client waits for it, not the
 * keeper, and ORDER_PATIENCE_MS later it hears that usher-vmm does not answer.
 *
 * To stop a guest is to press its power button first. A system that still boots has no driver for
 * the button and does not see it, so the keeper presses it again every PRESS_AGAIN_MS. If the guest
 * still runs when the client's patience is over, the keeper stops it as a signal would. This time
 * begins with the request: a usher-vmm that hangs never answers the order. Until it answers, the
 * time is in asked_ms, because a refused request (the guest is paused) must not stop the guest.
 */
#define ORDER_PATIENCE_MS 5000
#define PRESS_AGAIN_MS 5000

enum { SOCKET, ORDERS, PLUG, CLIENTS };

int control_listen(struct control **ret, const char *path)
{
	struct control *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->orders_fd = -1;
	c->plug = PLUG_NONE;
	c->listen_fd = control_room_listen(path);
	if (c->listen_fd < 0) {
		int r = c->listen_fd;
		free(c);
		return r;
	}
	*ret = c;
	return 0;
}

static void client_drop(struct control *c, size_t i)
{
	control_client_fini(&c->list[i]);
	c->list[i] = c->list[--c->count];
	c->deaf = false;
}

/* The answer to a command that this guest's program does not know. */
static int refuse_order(const struct control *c, enum control_command command, struct err *e)
{
	const char *name = c->guest.spec->name;

	if (c->guest.is_program)
		return err_say(e, -ENOTSUP, "%s: '%s' is a program, which can only be stopped",
			control_command_name(command), name);
	if (c->guest.obeys)
		return err_say(e, -EPIPE, "%s: %s takes no orders any more",
			control_command_name(command), control_name_program(c->guest.engine));
	(void)err_say(e, -ENOTSUP,
		"%s: engine '%s' runs guest '%s', and usher can only stop it by a signal",
		control_command_name(command), c->guest.engine, name);
	return -ENOTSUP;
}

static int order_send(struct control *c, struct wire_order order, int fd, struct err *e)
{
	const struct wire_fds fds = {.count = fd >= 0, .fds = {fd}};

	if (c->phase == CONTROL_STARTING || c->phase == CONTROL_ENDED)
		return err_say(e, -EAGAIN, "guest '%s' does not run %s", c->guest.spec->name,
			c->phase == CONTROL_ENDED ? "any more" : "yet");
	order.header = (struct wire_header){.kind = WIRE_ORDER, .id = c->order + 1};
	int r = wire_send(c->orders_fd, &order, sizeof(order), &fds);
	/* usher-vmm hangs, and orders fill its queue. The next press may find room. */
	if (r == -EAGAIN && order.order == WIRE_ORDER_BUTTON)
		r = 0;
	if (r < 0)
		return err_say(e, r, "%s takes no orders: %s",
			control_name_program(c->guest.engine), strerror(-r));
	c->order++;
	return 0;
}

static const enum wire_order_kind orders[] = {
	[CONTROL_STOP] = WIRE_ORDER_BUTTON,
	[CONTROL_RESET] = WIRE_ORDER_RESET,
	[CONTROL_PAUSE] = WIRE_ORDER_PAUSE,
	[CONTROL_RESUME] = WIRE_ORDER_RESUME,
	[CONTROL_STATISTICS] = WIRE_ORDER_FIGURES,
	[CONTROL_CONSOLE] = WIRE_ORDER_CONSOLE,
	[CONTROL_EVENTS] = 0,
	[CONTROL_RESIZE] = WIRE_ORDER_RESIZE,
	[CONTROL_LINK] = WIRE_ORDER_LINK,
	[CONTROL_BALLOON] = WIRE_ORDER_BALLOON,
	[CONTROL_DESCRIPTORS] = 0,
	[CONTROL_RETURN] = 0,
	[CONTROL_ATTACH] = 0,
	[CONTROL_DETACH] = 0,
	[CONTROL_RESTRICT] = 0,
};

/* Sends the order of @q, with @fd, which stays the caller's. The client waits for its answer. */
static void order_begin(
	struct control *c, struct control_client *from, const struct control_request *q, int fd)
{
	struct wire_order order = {.order = orders[q->command],
		.flags = (q->read_only ? WIRE_ORDER_READ_ONLY : 0U) | (q->up ? WIRE_ORDER_UP : 0U),
		.size = q->size,
		.port = q->port[0] ? from->port : 0};
	struct err e = {0};
	int r = 0;

	if (q->command == CONTROL_RESIZE)
		r = control_name_disk(c->guest.spec, q->disk, &order.disk, &e);
	else if (q->command == CONTROL_LINK)
		r = control_name_card(c->guest.spec, q->card, &order.card, &e);
	if (r == 0)
		r = order_send(c, order, fd, &e);
	if (r < 0) {
		control_failed(from, q, &e);
		return;
	}
	from->order = c->order;
	from->order_ms = clock_ms();
	from->request = *q;
}

static void figures_begin(
	struct control *c, struct control_client *from, const struct control_request *q)
{
	int fd = open("/proc/interrupts", O_RDONLY | O_CLOEXEC);
	struct err e = {0};

	if (fd < 0) {
		(void)err_set(&e, -errno, "open /proc/interrupts");
		control_failed(from, q, &e);
		return;
	}
	order_begin(c, from, q, fd);
	fd_close(&fd);
}

/* The client's end waits in the connection until the order is done. */
static void console_begin(
	struct control *c, struct control_client *from, const struct control_request *q)
{
	struct err e = {0};
	int ends[2];

	if (control_name_port(c->guest.spec, q->port, &from->port, &e) < 0) {
		control_failed(from, q, &e);
		return;
	}
	if (q->stream) {
		control_done(from, q, -1);
		from->streams = true;
		from->read_only = q->read_only;
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		(void)err_set(&e, -errno, "make a socket");
		control_failed(from, q, &e);
		return;
	}
	order_begin(c, from, q, ends[0]);
	fd_close(&ends[0]);
	if (from->order)
		from->console_fd = ends[1];
	else
		fd_close(&ends[1]);
}

/* usher-vmm gets the connection itself; what the client sends from now on is the guest's. */
static void stream_hand_over(struct control *c, struct control_client *from)
{
	const struct wire_order order = {.order = WIRE_ORDER_CONSOLE,
		.flags = from->read_only ? WIRE_ORDER_READ_ONLY : 0U,
		.port = from->port};
	struct err e = {0};

	(void)order_send(c, order, from->fd, &e);
	from->leaves = true;
}

/* When the keeper stops the guest for @from, whose request to stop has an order; 0: never. */
static int64_t stop_deadline(const struct control_client *from)
{
	const int64_t s = from->request.timeout_s;

	return s ? from->order_ms + s * 1000 : 0;
}

/* Return: a signal, or 0. */
static int stop_begin(
	struct control *c, struct control_client *from, const struct control_request *q)
{
	if (q->force || c->orders_fd < 0) {
		control_done(from, q, -1);
		return SIGTERM;
	}
	order_begin(c, from, q, -1);
	if (from->order && q->timeout_s) {
		c->asked_order = from->order;
		c->asked_ms = stop_deadline(from);
	}
	return 0;
}

/* Return: a signal: the guest is to be stopped as if by that; 0. */
static int request_serve(
	struct control *c, struct control_client *from, const struct control_request *q)
{
	struct err e = {0};

	if (q->command == CONTROL_STATE) {
		control_tell_state(c, from, q);
		return 0;
	}
	if (q->command == CONTROL_EVENTS) {
		from->events = true;
		control_done(from, q, -1);
		return 0;
	}
	if (q->command == CONTROL_STOP)
		return stop_begin(c, from, q);
	if (q->command == CONTROL_DESCRIPTORS || q->command == CONTROL_RETURN) {
		(void)err_say(&e, -ENOTSUP, "%s: '%s' is not a lease",
			control_command_name(q->command), c->guest.spec->name);
		control_failed(from, q, &e);
		return 0;
	}
	if (q->command == CONTROL_ATTACH || q->command == CONTROL_DETACH) {
		control_plug_begin(c, from, q);
	} else if (c->orders_fd < 0) {
		(void)refuse_order(c, q->command, &e);
		control_failed(from, q, &e);
	} else if (q->command == CONTROL_STATISTICS) {
		figures_begin(c, from, q);
	} else if (q->command == CONTROL_CONSOLE) {
		console_begin(c, from, q);
	} else {
		order_begin(c, from, q, -1);
	}
	return 0;
}

/* Return: a signal, 0, -1 it is gone. */
static int client_serve(struct control *c, struct control_client *from, short events)
{
	struct control_request q;

	int r = control_room_request(from, events, &q);
	if (r < 0)
		return -1;
	const int number = r ? request_serve(c, from, &q) : 0;
	if (control_client_flush(from) < 0)
		return number ? number : -1;
	if (from->streams && !from->out_len && !from->leaves)
		stream_hand_over(c, from);
	return number ? number : from->leaves && !from->out_len ? -1 : 0;
}

static void client_accept(struct control *c)
{
	struct control_client *client = control_room_accept(
		c->listen_fd, c->list, &c->count, CONTROL_CLIENTS_MAX, &c->deaf);

	if (client)
		control_greet(c, client);
}

/* What an order means for the guest's state, once usher-vmm has obeyed it. */
static void order_applied(struct control *c, const struct control_client *from)
{
	switch (from->request.command) {
	case CONTROL_STOP:
		c->force_ms = stop_deadline(from);
		c->press_ms = clock_ms() + PRESS_AGAIN_MS;
		control_event(c, "button", INT_MIN, NULL, NULL);
		break;
	case CONTROL_RESET:
		c->phase = c->phase == CONTROL_PAUSED ? CONTROL_RUNNING : c->phase;
		control_event(c, "reset", INT_MIN, NULL, NULL);
		break;
	case CONTROL_PAUSE:
		c->phase = CONTROL_PAUSED;
		control_event(c, "paused", INT_MIN, NULL, NULL);
		break;
	case CONTROL_RESUME:
		c->phase = CONTROL_RUNNING;
		control_event(c, "resumed", INT_MIN, NULL, NULL);
		break;
	case CONTROL_STATE:
	case CONTROL_STATISTICS:
	case CONTROL_CONSOLE:
	case CONTROL_EVENTS:
	case CONTROL_RESIZE:
	case CONTROL_LINK:
	case CONTROL_BALLOON:
	case CONTROL_DESCRIPTORS:
	case CONTROL_RETURN:
	case CONTROL_ATTACH:
	case CONTROL_DETACH:
	case CONTROL_RESTRICT:
		break;
	}
}

static void order_finish(struct control *c, struct control_client *to)
{
	struct control_request q = to->request;
	struct err e = {0};
	int fd = to->console_fd;

	to->order = 0;
	to->console_fd = -1;
	if (c->done.result < 0) {
		control_explain(c, &q, &e);
		control_failed(to, &q, &e);
		fd_close(&fd);
		return;
	}
	order_applied(c, to);
	if (q.command == CONTROL_STATISTICS)
		control_tell_figures(to, &q, c->done.text, c->done.length);
	else if (q.command == CONTROL_RESIZE)
		control_tell_size(to, &q, c->done.text, c->done.length);
	else
		control_done(to, &q, fd);
}

/* usher-vmm may be its guest's by now: what is not as it should be ends the conversation. */
static void orders_serve(struct control *c)
{
	int r = wire_receive(c->orders_fd, &c->done, sizeof(c->done), NULL);

	if (r == 0)
		r = wire_done_check(&c->done);
	if (r < 0) {
		discard_socket(&c->orders_fd);
		return;
	}
	for (size_t i = 0; i < c->count; i++)
		if (c->list[i].order && c->list[i].order == c->done.header.id)
			order_finish(c, &c->list[i]);
	if (c->asked_ms && c->asked_order == c->done.header.id) {
		/* The client may have left before the answer: its request stands. */
		if (c->done.result == 0)
			c->force_ms = c->asked_ms;
		c->asked_ms = 0;
	}
}

/*
 * usher-vmm does not answer, but a request to stop needs no answer of it if the keeper stops the
 * guest in time. Return: false: it does need one.
 */
static bool stop_goes_on(struct control *c, struct control_client *from)
{
	if (from->request.command != CONTROL_STOP || !from->request.timeout_s)
		return false;
	if (c->asked_ms) {
		c->force_ms = c->asked_ms;
		c->press_ms = clock_ms() + PRESS_AGAIN_MS;
		c->asked_ms = 0;
	}
	control_done(from, &from->request, -1);
	return true;
}

/* The guest stops, or has stopped: those that asked for it need no answer of usher-vmm. */
static void stops_finish(struct control *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct control_client *to = &c->list[i];
		if (!to->order || to->request.command != CONTROL_STOP)
			continue;
		to->order = 0;
		control_done(to, &to->request, -1);
	}
}

/* Orders that nobody answers in time. */
static void orders_expire(struct control *c)
{
	int64_t now = clock_ms();
	struct err e = {0};

	for (size_t i = 0; i < c->count; i++) {
		struct control_client *to = &c->list[i];
		if (!to->order || now - to->order_ms < ORDER_PATIENCE_MS)
			continue;
		to->order = 0;
		fd_close(&to->console_fd);
		if (stop_goes_on(c, to))
			continue;
		e = (struct err){0};
		(void)err_say(&e, -ETIMEDOUT, "%s does not answer",
			control_name_program(c->guest.engine));
		if (to->request.command == CONTROL_STOP)
			err_hint(&e, "stop it by force");
		control_failed(to, &to->request, &e);
	}
}

/* No client waits for the answer. A guest that is paused does not see this one either. */
static void button_repeat(struct control *c)
{
	const struct wire_order order = {.order = WIRE_ORDER_BUTTON};

	if (!c->press_ms || clock_ms() < c->press_ms)
		return;
	(void)order_send(c, order, -1, NULL);
	c->press_ms = c->orders_fd < 0 ? 0 : clock_ms() + PRESS_AGAIN_MS;
}

size_t control_poll(const struct control *c, struct pollfd *ret)
{
	if (!c)
		return 0;
	ret[SOCKET] = (struct pollfd){.fd = c->deaf ? -1 : c->listen_fd, .events = POLLIN};
	ret[ORDERS] = (struct pollfd){.fd = c->orders_fd, .events = POLLIN};
	ret[PLUG] = (struct pollfd){.fd = c->plug.result_fd, .events = POLLIN};
	for (size_t i = 0; i < c->count; i++)
		ret[CLIENTS + i] = control_room_poll(&c->list[i]);
	return CLIENTS + c->count;
}

int control_patience(const struct control *c)
{
	int64_t next = INT64_MAX, now = clock_ms();

	if (!c)
		return -1;
	if (c->force_ms)
		next = c->force_ms;
	if (c->asked_ms && c->asked_ms < next)
		next = c->asked_ms;
	if (c->press_ms && c->press_ms < next)
		next = c->press_ms;
	for (size_t i = 0; i < c->count; i++) {
		const struct control_client *one = &c->list[i];
		if (one->order && one->order_ms + ORDER_PATIENCE_MS < next)
			next = one->order_ms + ORDER_PATIENCE_MS;
	}
	/* A whole line may be in the buffer already. */
	if (control_room_is_busy(c->list, c->count))
		next = now;
	if (next == INT64_MAX)
		return -1;
	return next <= now ? 0 : next - now > INT_MAX ? INT_MAX : (int)(next - now);
}

static void stops_forget(struct control *c)
{
	c->force_ms = c->asked_ms = c->press_ms = 0;
}

int control_serve(struct control *c, const struct pollfd *polled, size_t count)
{
	int stop = 0;

	if (!c)
		return 0;
	if (polled[ORDERS].revents && c->orders_fd >= 0)
		orders_serve(c);
	if (polled[PLUG].revents && c->plug.result_fd >= 0)
		control_plug_finish(c);
	orders_expire(c);
	button_repeat(c);
	/* From the last one down: one that leaves is replaced by the last. */
	for (size_t i = count - CLIENTS; i > 0; i--) {
		int r = client_serve(c, &c->list[i - 1], polled[CLIENTS + i - 1].revents);
		if (r < 0)
			client_drop(c, i - 1);
		else if (r > 0)
			stop = r;
	}
	if (polled[SOCKET].revents)
		client_accept(c);
	const int64_t now = clock_ms();
	if ((c->force_ms && now >= c->force_ms) || (c->asked_ms && now >= c->asked_ms)) {
		stops_forget(c);
		stop = SIGTERM;
	}
	return stop;
}

void control_tell(struct control *c, const struct keeper_news *n)
{
	if (!c)
		return;
	switch (n->event) {
	case KEEPER_STARTED:
		c->phase = CONTROL_RUNNING;
		control_event(c, "started", INT_MIN, NULL, NULL);
		break;
	case KEEPER_STOPPING:
		c->phase = CONTROL_STOPPING;
		c->press_ms = 0;
		stops_finish(c);
		control_event(c, "stopping", INT_MIN, NULL, NULL);
		break;
	case KEEPER_ENDED:
		c->phase = CONTROL_ENDED;
		stops_forget(c);
		stops_finish(c);
		control_event(c, "ended", n->status, n->error ? n->error->msg : NULL, NULL);
		break;
	case KEEPER_STUCK:
		control_event(c, "stuck", INT_MIN, n->error->msg, n->error->hint);
		break;
	case KEEPER_FAILED:
		control_event(c, "failed", INT_MIN, n->error->msg, n->error->hint);
		break;
	case KEEPER_REFUSED:
		control_event(c, "refused", INT_MIN, n->error->msg, n->error->hint);
		break;
	case KEEPER_WARNED:
		control_event(c, "warned", INT_MIN, n->error->msg, n->error->hint);
		break;
	case KEEPER_PLANNED:
	case KEEPER_WIPED:
	case KEEPER_GIVEN:
	case KEEPER_LOST:
		break;
	}
	for (size_t i = 0; i < c->count; i++)
		(void)control_client_flush(&c->list[i]);
}

void control_close(struct control *c, int status)
{
	if (!c)
		return;
	control_event(c, "done", status, NULL, NULL);
	for (size_t i = 0; i < c->count; i++)
		(void)control_client_flush(&c->list[i]);
	while (c->count)
		client_drop(c, c->count - 1);
	discard_socket(&c->orders_fd);
	discard_socket(&c->plug.place.line_fd);
	fd_close(&c->listen_fd);
	free(c);
}
