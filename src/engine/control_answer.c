/* SPDX-License-Identifier: MIT */
#include "engine/control_answer.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "bind/env.h"
#include "control/line.h"
#include "control/value.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static const char *const phases[] = {
	[CONTROL_STARTING] = "starting",
	[CONTROL_RUNNING] = "running",
	[CONTROL_PAUSED] = "paused",
	[CONTROL_STOPPING] = "stopping",
	[CONTROL_ENDED] = "ended",
};

/* One answer at a time is made, by one thread. */
static char text_of_line[CONTROL_SEND_MAX];

static void answer_begin(struct control_line *l, const struct control_request *q, bool ok)
{
	control_line_begin(l, text_of_line, sizeof(text_of_line));
	if (q->has_id)
		control_line_number(l, "id", q->id);
	control_line_flag(l, "ok", ok);
}

/* Without room for it the client cannot be told anything any more. */
static void answer_end(struct control_line *l, struct control_client *to, int give_fd)
{
	size_t len = control_line_end(l);

	if (len && control_client_has_room(to, len)) {
		control_client_put(to, text_of_line, len, give_fd);
		return;
	}
	fd_close(&give_fd);
	to->leaves = true;
}

void control_greet(const struct control *c, struct control_client *to)
{
	struct control_line l;

	control_line_begin(&l, text_of_line, sizeof(text_of_line));
	control_line_number(&l, "protocol", CONTROL_VERSION);
	control_line_text(&l, "usher", USHER_VERSION);
	control_line_text(&l, "guest", c->guest.spec ? c->guest.spec->name : "");
	answer_end(&l, to, -1);
}

void control_done(struct control_client *to, const struct control_request *q, int give_fd)
{
	struct control_line l;

	answer_begin(&l, q, true);
	answer_end(&l, to, give_fd);
}

void control_failed(struct control_client *to, const struct control_request *q, const struct err *e)
{
	const char *code = strerrorname_np(-e->code);
	struct control_line l;

	answer_begin(&l, q, false);
	control_line_open(&l, "error", '{');
	control_line_text(&l, "code", code ? code : "EIO");
	control_line_text(&l, "message", e->msg);
	if (e->hint[0])
		control_line_text(&l, "hint", e->hint);
	control_line_close(&l, '}');
	answer_end(&l, to, -1);
}

static void put_devices(struct control_line *l, const struct pci_address *list, size_t count)
{
	char address[PCI_ADDRESS_TEXT];

	control_line_open(l, "devices", '[');
	for (size_t i = 0; i < count; i++)
		control_line_text(l, NULL, pci_address_format(list[i], address));
	control_line_close(l, ']');
}

static void put_ports(struct control_line *l, const struct guest_spec *s)
{
	char path[PORT_PATH_MAX];

	control_line_text(l, "console", port_console_name(s->console));
	control_line_open(l, "ports", '[');
	for (size_t i = 0; i < s->port_count; i++) {
		const struct guest_port *p = &s->ports[i];
		control_line_open(l, NULL, '{');
		control_line_text(l, "name", p->name);
		control_line_text(l, "end", port_kind_name(p->kind));
		if (p->kind != GUEST_PORT_NONE && p->kind != GUEST_PORT_STDIO &&
			port_path(p, BIND_STATE_DIR, s->name, path, sizeof(path)) == 0)
			control_line_text(l, "path", path);
		control_line_close(l, '}');
	}
	control_line_close(l, ']');
}

void control_tell_state(
	const struct control *c, struct control_client *to, const struct control_request *q)
{
	const struct control_guest *g = &c->guest;
	struct control_line l;

	answer_begin(&l, q, true);
	control_line_text(&l, "name", g->spec->name);
	control_line_text(&l, "engine", g->engine);
	control_line_text(&l, "state", phases[c->phase]);
	control_line_number(&l, "keeper", getpid());
	if (g->pid)
		control_line_number(&l, "pid", g->pid);
	if (g->since)
		control_line_number(&l, "since", g->since);
	if (!g->is_program) {
		control_line_number(&l, "memory", (int64_t)g->memory);
		control_line_number(&l, "cpus", g->spec->cpus);
		put_ports(&l, g->spec);
	}
	control_line_flag(&l, "detached", g->detached);
	control_line_text(&l, "on_sleep", g->spec->sleep_release ? "release" : "refuse");
	put_devices(&l, g->devices, g->device_count);
	answer_end(&l, to, -1);
}

void control_tell_figures(
	struct control_client *to, const struct control_request *q, const char *text, size_t len)
{
	struct control_value *v = NULL;
	struct control_line l;
	struct err e = {0};

	int r = control_value_parse(text, len, &v, &e);
	const char *line = r == 0 ? control_value_line(v) : NULL;
	if (!line) {
		(void)err_say(&e, -EPROTO, "usher-vmm has sent statistics that are not JSON");
		control_failed(to, q, &e);
		control_value_free(v);
		return;
	}
	answer_begin(&l, q, true);
	control_line_json(&l, "statistics", line);
	answer_end(&l, to, -1);
	control_value_free(v);
}

void control_tell_devices(struct control_client *to, const struct control_request *q,
	const struct pci_address *list, size_t count)
{
	struct control_line l;

	answer_begin(&l, q, true);
	put_devices(&l, list, count);
	answer_end(&l, to, -1);
}

void control_tell_size(
	struct control_client *to, const struct control_request *q, const char *text, size_t len)
{
	struct control_value *v = NULL;
	struct control_line l;
	struct err e = {0};
	int64_t size = 0;

	int r = control_value_parse(text, len, &v, &e);
	if (r < 0 || !control_value_number(v, "size", &size) || size < 0) {
		(void)err_say(&e, -EPROTO, "usher-vmm has sent no size");
		control_failed(to, q, &e);
	} else {
		answer_begin(&l, q, true);
		control_line_number(&l, "size", size);
		answer_end(&l, to, -1);
	}
	control_value_free(v);
}

static size_t event_make(const struct control_client *to, const char *name, int status,
	const char *text, const char *hint)
{
	struct control_line l;

	control_line_begin(&l, text_of_line, sizeof(text_of_line));
	control_line_text(&l, "event", name);
	if (to->lost)
		control_line_number(&l, "lost", (int64_t)to->lost);
	if (status != INT_MIN)
		control_line_number(&l, "status", status);
	if (text && text[0])
		control_line_text(&l, "message", text);
	if (hint && hint[0])
		control_line_text(&l, "hint", hint);
	return control_line_end(&l);
}

void control_event(
	struct control *c, const char *name, int status, const char *text, const char *hint)
{
	for (size_t i = 0; i < c->count; i++) {
		struct control_client *to = &c->list[i];
		if (!to->events)
			continue;
		size_t len = event_make(to, name, status, text, hint);
		/* The half that an answer may need stays free. */
		if (!len || !control_client_has_room(to, len + CONTROL_SEND_MAX / 2)) {
			to->lost++;
			continue;
		}
		to->lost = 0;
		control_client_put(to, text_of_line, len, -1);
	}
}
