/* SPDX-License-Identifier: MIT */
#include "daemon/sender.h"

#include "base/num.h"
#include "bind/owner.h"
#include "host/host.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define KNOWN_MAX 16

/* Those that have asked last. A command asks several times, and each question to the bus waits. */
static struct known {
	char name[32]; /* ":1.42" */
	bool has_process; /* else its user alone is known */
	struct sender sender;
} known[KNOWN_MAX];
static size_t known_last;

static struct known *known_find(const char *name)
{
	for (size_t i = 0; name && i < COUNT(known); i++)
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
	return NULL;
}

static void known_add(const char *name, const struct sender *s, bool has_process)
{
	struct known *k = known_find(name);

	k = k ? k : &known[known_last++ % COUNT(known)];
	k->sender = *s;
	k->has_process = has_process;
	if (!name || (size_t)snprintf(k->name, sizeof(k->name), "%s", name) >= sizeof(k->name))
		k->name[0] = '\0';
}

/*
 * The bus knows the process that has connected. Another one may have inherited the connection, and
 * the first one may be gone, and its id another user's by now: a lease would be that user's, and
 * end with a kill. root needs no such way.
 */
static int process_check(const struct sender *s)
{
	return s->uid == 0 || bind_owner_is_of(host_live(), s->pid, s->uid) ? 0 : -ESRCH;
}

/*
 * If the name is still on the bus afterwards, the start time was that of the process, and not of a
 * later one with its id.
 */
static int sender_ask(sd_bus_message *m, struct sender *ret)
{
	sd_bus_creds *creds = NULL, *again = NULL;

	int r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID | SD_BUS_CREDS_PID, &creds);
	if (r >= 0)
		r = sd_bus_creds_get_euid(creds, &ret->uid);
	if (r >= 0)
		r = sd_bus_creds_get_pid(creds, &ret->pid);
	if (r >= 0)
		r = bind_owner_start(host_live(), ret->pid, &ret->start);
	if (r >= 0)
		r = process_check(ret);
	if (r >= 0)
		r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &again);
	(void)sd_bus_creds_unref(creds);
	(void)sd_bus_creds_unref(again);
	return r;
}

int sender_read(sd_bus_message *m, struct sender *ret)
{
	const char *name = sd_bus_message_get_sender(m);
	const struct known *k = known_find(name);

	if (k && k->has_process) {
		*ret = k->sender;
		return 0;
	}
	int r = sender_ask(m, ret);
	if (r < 0)
		return r;
	known_add(name, ret, true);
	return 0;
}

int sender_user(sd_bus_message *m, uid_t *ret)
{
	const char *name = sd_bus_message_get_sender(m);
	const struct known *k = known_find(name);
	sd_bus_creds *creds = NULL;
	struct sender s = {0};

	if (k) {
		*ret = k->sender.uid;
		return 0;
	}
	int r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);
	if (r >= 0)
		r = sd_bus_creds_get_euid(creds, &s.uid);
	(void)sd_bus_creds_unref(creds);
	if (r < 0)
		return r;
	known_add(name, &s, false);
	*ret = s.uid;
	return 0;
}
