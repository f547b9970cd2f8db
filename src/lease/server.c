/* SPDX-License-Identifier: MIT */
#include "lease/server.h"

#include "base/err.h"
#include "base/fd.h"
#include "control/line.h"
#include "engine/control_answer.h"
#include "engine/control_room.h"
#include "engine/devices.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MAX 8192

int lease_server_open(struct lease_server *s, const char *path)
{
	s->listen_fd = control_room_listen(path);
	return s->listen_fd < 0 ? s->listen_fd : 0;
}

static void client_drop(struct lease_server *s, size_t i)
{
	control_client_fini(&s->list[i]);
	s->list[i] = s->list[--s->count];
	s->deaf = false;
}

static void line_send(struct control_client *to, struct control_line *l)
{
	size_t len = control_line_end(l);

	if (len && control_client_has_room(to, len))
		control_client_put(to, l->buf, len, -1);
	else
		to->leaves = true;
}

static void client_greet(const struct lease_server *s, struct control_client *to)
{
	char text[256];
	struct control_line l;

	control_line_begin(&l, text, sizeof(text));
	control_line_number(&l, "protocol", CONTROL_VERSION);
	control_line_text(&l, "usher", USHER_VERSION);
	control_line_text(&l, "lease", s->facts.lease->spec->name);
	line_send(to, &l);
}

static void answer_begin(
	struct control_line *l, const struct control_request *q, char *text, size_t size)
{
	control_line_begin(l, text, size);
	if (q->has_id)
		control_line_number(l, "id", q->id);
	control_line_flag(l, "ok", true);
}

static void put_devices(struct control_line *l, const struct guest_spec *s)
{
	char address[PCI_ADDRESS_TEXT];

	control_line_open(l, "devices", '[');
	for (size_t i = 0; i < s->device_count; i++)
		control_line_text(l, NULL, pci_address_format(s->devices[i].address, address));
	control_line_close(l, ']');
}

static void state_answer(
	const struct lease_server *s, struct control_client *to, const struct control_request *q)
{
	const struct lease_facts *f = &s->facts;
	char text[ANSWER_MAX];
	struct control_line l;

	answer_begin(&l, q, text, sizeof(text));
	control_line_text(&l, "name", f->lease->spec->name);
	control_line_text(&l, "engine", "lease");
	control_line_text(&l, "state", f->state);
	control_line_number(&l, "keeper", getpid());
	if (f->lease->owner)
		control_line_number(&l, "pid", f->lease->owner);
	control_line_number(&l, "user", f->lease->user);
	if (f->since)
		control_line_number(&l, "since", f->since);
	if (f->until)
		control_line_number(&l, "until", f->until);
	put_devices(&l, f->lease->spec);
	line_send(to, &l);
}

/* The container first, then a descriptor for each device, in the order of the answer. */
static void descriptors_answer(
	struct lease_server *s, struct control_client *to, const struct control_request *q)
{
	const struct open_devices *d = s->facts.devices;
	int fds[CONTROL_GIVEN_MAX];
	char text[ANSWER_MAX];
	struct control_line l;
	struct err e = {0};
	size_t count = 0;

	if (!d || strcmp(s->facts.state, "running") != 0) {
		(void)err_say(&e, -EAGAIN, "lease '%s' is about to start or to end",
			s->facts.lease->spec->name);
		control_failed(to, q, &e);
		return;
	}
	fds[count++] = d->ioas.fd;
	for (size_t i = 0; i < d->device_count; i++)
		fds[count++] = d->devices[i].vfio.fd;
	int r = control_client_give(to, fds, count);
	if (r < 0) {
		(void)err_set(&e, r, "give the descriptors");
		control_failed(to, q, &e);
		return;
	}
	answer_begin(&l, q, text, sizeof(text));
	put_devices(&l, s->facts.lease->spec);
	line_send(to, &l);
}

static void request_serve(
	struct lease_server *s, struct control_client *from, const struct control_request *q)
{
	struct err e = {0};

	if (q->command == CONTROL_STATE) {
		state_answer(s, from, q);
	} else if (q->command == CONTROL_DESCRIPTORS) {
		descriptors_answer(s, from, q);
	} else if (q->command == CONTROL_EVENTS) {
		from->events = true;
		control_done(from, q, -1);
	} else if (q->command == CONTROL_STOP) {
		s->wish = (struct lease_wish){
			.why = LEASE_END_REVOKED, .timeout_s = q->force ? 0 : q->timeout_s};
		control_done(from, q, -1);
	} else if (q->command == CONTROL_RETURN) {
		s->wish = (struct lease_wish){
			.why = LEASE_END_RETURNED, .timeout_s = LEASE_TIMEOUT_S};
		control_done(from, q, -1);
	} else {
		(void)err_say(&e, -ENOTSUP, "%s: '%s' is a lease, and no guest",
			control_command_name(q->command), s->facts.lease->spec->name);
		control_failed(from, q, &e);
	}
}

/* Return: 0, -1 it is gone. */
static int client_serve(struct lease_server *s, struct control_client *from, short events)
{
	struct control_request q;

	int r = control_room_request(from, events, &q);
	if (r > 0)
		request_serve(s, from, &q);
	if (r < 0 || control_client_flush(from) < 0)
		return -1;
	return from->leaves && !from->out_len ? -1 : 0;
}

static void client_accept(struct lease_server *s)
{
	struct control_client *client =
		control_room_accept(s->listen_fd, s->list, &s->count, LEASE_CLIENTS_MAX, &s->deaf);

	if (!client)
		return;
	client_greet(s, client);
	(void)control_client_flush(client);
}

size_t lease_server_poll(const struct lease_server *s, struct pollfd *ret)
{
	ret[0] = (struct pollfd){.fd = s->deaf ? -1 : s->listen_fd, .events = POLLIN};
	for (size_t i = 0; i < s->count; i++)
		ret[i + 1] = control_room_poll(&s->list[i]);
	return s->count + 1;
}

bool lease_server_is_busy(const struct lease_server *s)
{
	return control_room_is_busy(s->list, s->count);
}

void lease_server_serve(struct lease_server *s, const struct pollfd *polled, size_t count)
{
	/* From the last one down: one that leaves is replaced by the last. */
	for (size_t i = count - 1; i > 0; i--)
		if (client_serve(s, &s->list[i - 1], polled[i].revents) < 0)
			client_drop(s, i - 1);
	if (polled[0].revents)
		client_accept(s);
}

void lease_server_tell(
	struct lease_server *s, const char *event, int status, const char *text, const char *hint)
{
	char line[ANSWER_MAX];
	struct control_line l;

	for (size_t i = 0; i < s->count; i++) {
		struct control_client *to = &s->list[i];
		if (!to->events)
			continue;
		control_line_begin(&l, line, sizeof(line));
		control_line_text(&l, "event", event);
		if (to->lost)
			control_line_number(&l, "lost", (int64_t)to->lost);
		if (status != INT_MIN)
			control_line_number(&l, "status", status);
		if (text)
			control_line_text(&l, "message", text);
		if (hint && hint[0])
			control_line_text(&l, "hint", hint);
		size_t len = control_line_end(&l);
		/* The half that an answer may need stays free. */
		if (len && control_client_has_room(to, len + CONTROL_SEND_MAX / 2)) {
			to->lost = 0;
			control_client_put(to, line, len, -1);
		} else {
			to->lost++;
		}
		(void)control_client_flush(to);
	}
}

void lease_server_close(struct lease_server *s)
{
	for (size_t i = 0; i < s->count; i++)
		(void)control_client_flush(&s->list[i]);
	while (s->count)
		client_drop(s, s->count - 1);
	fd_close(&s->listen_fd);
}
