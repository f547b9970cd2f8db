/* SPDX-License-Identifier: MIT */
#include "daemon/machines.h"

#include "base/file.h"
#include "control/value.h"
#include "daemon/kept.h"
#include "daemon/scope.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MACHINED "org.freedesktop.machine1"
#define MACHINED_PATH "/org/freedesktop/machine1"
#define MACHINED_MANAGER MACHINED ".Manager"
#define UNIT_PREFIX "usher-" /* of the units that have one guest each */
#define UNIT_OURS "usherd.service"
#define AGAIN_US UINT64_C(1000000)
#define AGAIN_MAX 30

/* A guest that machined knows. */
struct machine {
	struct machine *next;
	char name[64];
};

struct machines {
	struct daemon *daemon;
	struct machine *list;
	sd_event_source *again; /* a guest may have left usherd's unit by then */
	unsigned again_count; /* since the last change of guests */
};

static sd_bus_message *call_new(struct machines *m, const char *method)
{
	sd_bus_message *call = NULL;

	if (sd_bus_message_new_method_call(
		    m->daemon->bus, &call, MACHINED, MACHINED_PATH, MACHINED_MANAGER, method) < 0)
		return NULL;
	(void)sd_bus_message_set_expect_reply(call, false);
	return call;
}

static void call_send(struct machines *m, sd_bus_message *call)
{
	(void)sd_bus_send(m->daemon->bus, call, NULL);
	(void)sd_bus_message_unref(call);
}

/*
 * The unit of a process, from "0::/system.slice/usher-guest@web.service/…": the first part that is
 * no slice. Return: false if it has none.
 */
static bool unit_of(int64_t pid, char *buf, size_t size)
{
	char path[64], text[FILE_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (file_read(path, text, sizeof(text)) < 0)
		return false;
	char *line = strstr(text, "0::/");
	for (char *part = line ? strtok(line + 4, "/\n") : NULL; part; part = strtok(NULL, "/\n")) {
		const size_t len = strlen(part);
		if (len > 6 && strcmp(part + len - 6, ".slice") == 0)
			continue;
		(void)snprintf(buf, size, "%s", part);
		return true;
	}
	return false;
}

static bool machine_is_known(const struct machines *m, const char *name)
{
	for (const struct machine *k = m->list; k; k = k->next)
		if (strcmp(k->name, name) == 0)
			return true;
	return false;
}

/* RegisterMachine(name, id, service, class, leader, root). Without an id machined makes none. */
static void machine_register(struct machines *m, const char *name, int64_t pid)
{
	struct machine *known = calloc(1, sizeof(*known));
	sd_bus_message *call = known ? call_new(m, "RegisterMachine") : NULL;

	if (!call || sd_bus_message_append(call, "s", name) < 0 ||
		sd_bus_message_append_array(call, 'y', NULL, 0) < 0 ||
		sd_bus_message_append(call, "ssus", "usher", "vm", (uint32_t)pid, "") < 0) {
		(void)sd_bus_message_unref(call);
		free(known);
		return;
	}
	call_send(m, call);
	(void)snprintf(known->name, sizeof(known->name), "%s", name);
	known->next = m->list;
	m->list = known;
}

static bool guest_is_there(const struct daemon *d, const char *name)
{
	for (const struct kept *k = d->kept; k; k = k->next)
		if (k->kind == KEPT_GUEST && k->state && strcmp(k->name, name) == 0)
			return true;
	return false;
}

static void machines_remove(struct machines *m)
{
	for (struct machine **at = &m->list, *k; (k = *at);) {
		if (guest_is_there(m->daemon, k->name)) {
			at = &k->next;
			continue;
		}
		sd_bus_message *call = call_new(m, "UnregisterMachine");
		if (call && sd_bus_message_append(call, "s", k->name) >= 0)
			call_send(m, call);
		else
			(void)sd_bus_message_unref(call);
		*at = k->next;
		free(k);
	}
}

static int on_again(sd_event_source *source, uint64_t us, void *arg);

static bool begins_with(const char *text, const char *begin)
{
	return strncmp(text, begin, strlen(begin)) == 0;
}

/*
 * A unit that usherd has systemd move guests out of (daemon/scope.h). It ends soon, and machined
 * forgets a machine with the unit in which it was registered.
 */
static bool unit_is_left(const char *unit)
{
	return strcmp(unit, UNIT_OURS) == 0 || begins_with(unit, SCOPE_START);
}

/* Return: whether a guest may get a unit of its own soon. */
static bool machines_add(struct machines *m)
{
	bool waits = false;
	int64_t pid;
	char unit[256];

	for (const struct kept *k = m->daemon->kept; k; k = k->next) {
		if (k->kind != KEPT_GUEST || !k->state || machine_is_known(m, k->name) ||
			!control_value_number(k->state, "pid", &pid) ||
			!unit_of(pid, unit, sizeof(unit)))
			continue;
		if (unit_is_left(unit))
			waits = true;
		else if (begins_with(unit, UNIT_PREFIX))
			machine_register(m, k->name, pid);
	}
	return waits;
}

static void machines_check(struct machines *m)
{
	m->again = sd_event_source_disable_unref(m->again);
	if (machines_add(m) && m->again_count++ < AGAIN_MAX)
		(void)sd_event_add_time_relative(
			m->daemon->event, &m->again, CLOCK_MONOTONIC, AGAIN_US, 0, on_again, m);
}

static int on_again(sd_event_source *source, uint64_t us, void *arg)
{
	machines_check(arg);
	return 0;
}

void machines_update(struct machines *m)
{
	m->again_count = 0;
	machines_remove(m);
	machines_check(m);
}

int machines_new(struct daemon *d, struct machines **ret)
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	(*ret)->daemon = d;
	return 0;
}

void machines_free(struct machines *m)
{
	if (m)
		(void)sd_event_source_disable_unref(m->again);
	while (m && m->list) {
		struct machine *next = m->list->next;
		free(m->list);
		m->list = next;
	}
	free(m);
}
