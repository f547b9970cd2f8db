/* SPDX-License-Identifier: MIT */
#include "daemon/connect.h"

#include "control/purpose.h"
#include "daemon/fetch.h"
#include "daemon/kept.h"
#include "daemon/request.h"
#include "daemon/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * How it works. Invariant: a caller gets no connection that serves more than polkit has permitted.
 *
 * The control socket of a guest of root is root's. usherd connects to it, has the keeper limit the
 * connection to one purpose, and passes it to the caller. From then on the two talk without
 * usherd, so a console or a view of figures lasts as long as its user likes.
 */
static void connect_answer(void *arg, int fd, const char *why)
{
	struct request *q = arg;

	if (fd < 0)
		request_fail(q, "Failed", why);
	else if (sd_bus_reply_method_return(q->message, "h", fd) < 0)
		request_fail(q, "Failed", "the connection cannot be sent");
	request_free(q);
}

static int connect_begin(struct request *q)
{
	return fetch_connection(
		q->daemon, q->name, control_purpose_find(q->action), connect_answer, q);
}

static int refuse_guest(sd_bus_error *error, const char *name)
{
	return text_refuse(error, BUS_NAME ".Error.NotFound",
		"no guest named '%.64s' runs\n"
		"hint: 'usher ps' lists the guests that run",
		name);
}

static int method_connect(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *name, *word;

	int r = sd_bus_message_read(m, "ss", &name, &word);
	if (r < 0)
		return r;
	const struct control_purpose *purpose = control_purpose_find(word);
	if (!purpose)
		return text_refuse(error, SD_BUS_ERROR_INVALID_ARGS,
			"a guest is connected for watch, console, stop or control, not for '%.32s'",
			word);
	if (!kept_guest(arg, name))
		return refuse_guest(error, name);
	struct request *q = request_new(arg, m, purpose->name, connect_begin);
	if (!q)
		return -ENOMEM;
	q->detail = "guest";
	r = request_read_options(q, error);
	(void)snprintf(q->name, sizeof(q->name), "%s", name);
	if (r >= 0)
		return request_authorise(q, error);
	request_free(q);
	return r;
}

static const sd_bus_vtable connect_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("Connect", SD_BUS_ARGS("s", guest, "s", purpose, "a{sv}", options),
		SD_BUS_RESULT("h", connection), method_connect, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

int connect_add_vtable(struct daemon *d)
{
	return sd_bus_add_object_vtable(
		d->bus, NULL, BUS_PATH, BUS_NAME ".Manager", connect_vtable, d);
}
