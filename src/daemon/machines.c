/* SPDX-License-Identifier: MIT */
#include "daemon/machines.h"

#include "base/file.h"
#include "control/value.h"
#include "daemon/kept.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MACHINED "org.freedesktop.machine1"
#define MACHINED_PATH "/org/freedesktop/machine1"
#define MACHINED_MANAGER MACHINED ".Manager"
#define UNIT_PREFIX "usher-" /* of the units that have one guest each */

/* A guest that machined knows. */
struct machine {
	struct machine *next;
	char name[64];
};

struct machines {
	struct daemon *daemon;
	struct machine *list;
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
 * Whether the process is in a unit of one guest: "0::/system.slice/usher-guest@web.service/…". The
 * unit is the first part that is no slice.
 */
static bool has_own_unit(int64_t pid)
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
		return strncmp(part, UNIT_PREFIX, strlen(UNIT_PREFIX)) == 0;
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

void machines_update(struct machines *m)
{
	int64_t pid;

	machines_remove(m);
	for (const struct kept *k = m->daemon->kept; k; k = k->next)
		if (k->kind == KEPT_GUEST && k->state && !machine_is_known(m, k->name) &&
			control_value_number(k->state, "pid", &pid) && has_own_unit(pid))
			machine_register(m, k->name, pid);
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
	while (m && m->list) {
		struct machine *next = m->list->next;
		free(m->list);
		m->list = next;
	}
	free(m);
}
