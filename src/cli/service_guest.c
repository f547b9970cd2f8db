/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/num.h"
#include "cli/bus.h"
#include "cli/service.h"
#include "control/line.h"
#include "control/value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Guests and leases of root's keepers, for an ordinary user: their properties, and a connection. */
#define DEVICES BUS_USHERD_PATH "/device/"
#define STATE_MAX 8192 /* [bytes] of what is known of one, as JSON */

/* The message owns its descriptor, and is gone soon. */
static int connection_read(struct bus_message *m, struct err *e)
{
	int fd = -1;

	int r = bus_calls.read(m, "h", &fd);
	if (r >= 0)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (r >= 0 && fd < 0)
		r = -errno;
	return r < 0 ? err_set(e, r, "read usherd's answer") : fd;
}

int service_connect(const char *guest, const char *purpose, struct err *e)
{
	struct bus_message *m = NULL, *answer = NULL;
	struct bus *b = NULL;

	int r = bus_open(&b, e);
	if (r < 0)
		return r;
	r = bus_calls.message(b, &m, BUS_USHERD, BUS_USHERD_PATH, BUS_USHERD_MANAGER, "Connect");
	if (r >= 0)
		r = bus_calls.append(m, "ssa{sv}", guest, purpose, 0);
	r = r < 0 ? err_set(e, r, "ask usherd") : bus_call(b, m, BUS_PATIENCE_US, &answer, e);
	if (r == 0)
		r = connection_read(answer, e);
	(void)bus_calls.unref(answer);
	(void)bus_calls.close(b);
	return r;
}

/* Properties of a guest or a lease, and the key of the keeper's answer that each is. */
static const struct {
	const char *property, *key;
	char type; /* 'u': a number that may be 0 */
} properties[] = {{"Name", "name", 's'}, {"State", "state", 's'}, {"Engine", "engine", 's'},
	{"Keeper", "keeper", 't'}, {"Process", "pid", 't'}, {"User", "user", 'u'},
	{"Since", "since", 't'}, {"Until", "until", 't'}, {"Memory", "memory", 't'},
	{"Processors", "cpus", 't'}, {"Detached", "detached", 'b'}, {"Devices", "devices", 'a'}};

/* The end of a path, which has "_3a" for a ':'. */
static void address_put(struct control_line *l, const char *path)
{
	char text[PCI_ADDRESS_TEXT];
	size_t len = 0;

	if (strncmp(path, DEVICES, strlen(DEVICES)) != 0)
		return;
	for (const char *at = path + strlen(DEVICES); *at && len + 1 < sizeof(text);) {
		unsigned c = (unsigned char)*at;
		const bool is_code = c == '_' && sscanf(at + 1, "%2x", &c) == 1;
		text[len++] = (char)c;
		at += is_code ? 3 : 1;
	}
	text[len] = '\0';
	control_line_text(l, NULL, text);
}

static int devices_put(struct control_line *l, struct bus_message *m)
{
	const char *path;

	control_line_open(l, "devices", '[');
	int r = bus_calls.enter(m, 'v', "ao");
	if (r >= 0)
		r = bus_calls.enter(m, 'a', "o");
	while (r >= 0 && (r = bus_calls.read(m, "o", &path)) > 0)
		address_put(l, path);
	control_line_close(l, ']');
	if (r >= 0)
		r = bus_calls.leave(m);
	return r < 0 ? r : bus_calls.leave(m);
}

static int property_put(struct control_line *l, struct bus_message *m, size_t i)
{
	const char *key = properties[i].key, *text = "";
	const char type = properties[i].type;
	uint64_t number = 0;
	int flag = 0, r;

	switch (type) {
	case 's':
		r = bus_calls.read(m, "v", "s", &text);
		if (r >= 0)
			control_line_text(l, key, text);
		return r;
	case 't':
	case 'u':
		r = bus_calls.read(m, "v", "t", &number);
		/* What is 0 on the bus is absent in the keeper's answer, but for root's number. */
		if (r >= 0 && (number || type == 'u'))
			control_line_number(l, key, (int64_t)number);
		return r;
	case 'b':
		r = bus_calls.read(m, "v", "b", &flag);
		if (r >= 0)
			control_line_flag(l, key, flag);
		return r;
	default:
		return devices_put(l, m);
	}
}

static int entry_put(struct control_line *l, struct bus_message *m)
{
	const char *property;

	int r = bus_calls.read(m, "s", &property);
	for (size_t i = 0; r >= 0 && i < COUNT(properties); i++)
		if (strcmp(properties[i].property, property) == 0)
			return property_put(l, m, i);
	/* A later usherd may say more. */
	return r < 0 ? r : bus_calls.skip(m, "v");
}

static int state_read(struct bus_message *m, struct control_value **ret, struct err *e)
{
	char text[STATE_MAX];
	struct control_line l;

	control_line_begin(&l, text, sizeof(text));
	int r = bus_calls.enter(m, 'a', "{sv}");
	while (r >= 0 && (r = bus_calls.enter(m, 'e', "sv")) > 0) {
		r = entry_put(&l, m);
		if (r >= 0)
			r = bus_calls.leave(m);
	}
	const size_t len = control_line_end(&l);
	if (r < 0 || !len)
		return err_say(e, r < 0 ? r : -E2BIG, "read usherd's answer");
	return control_value_parse(text, len, ret, e);
}

static int state_ask(const char *kind, const char *interface, const char *name,
	struct control_value **ret, struct err *e)
{
	struct bus_message *m = NULL, *answer = NULL;
	char path[BUS_PATH_SIZE];
	struct bus *b = NULL;

	int r = bus_open(&b, e);
	if (r < 0)
		return r;
	bus_path_of(kind, name, path, sizeof(path));
	r = bus_calls.message(b, &m, BUS_USHERD, path, "org.freedesktop.DBus.Properties", "GetAll");
	if (r >= 0)
		r = bus_calls.append(m, "s", interface);
	r = r < 0 ? err_set(e, r, "ask usherd") : bus_call(b, m, BUS_PATIENCE_US, &answer, e);
	if (r == 0)
		r = state_read(answer, ret, e);
	(void)bus_calls.unref(answer);
	(void)bus_calls.close(b);
	return r;
}

int service_guest(const char *name, struct control_value **ret, struct err *e)
{
	return state_ask("guest", BUS_USHERD ".Guest", name, ret, e);
}

int service_lease_state(const char *name, struct control_value **ret, struct err *e)
{
	return state_ask("lease", BUS_USHERD ".Lease", name, ret, e);
}
