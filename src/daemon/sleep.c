/* SPDX-License-Identifier: MIT */
#include "daemon/sleep.h"

#include "base/fd.h"
#include "base/num.h"
#include "control/value.h"
#include "daemon/job.h"
#include "daemon/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * How it works. Invariant: what is held at logind is what the leases and guests of now want.
 *
 * An inhibitor of logind is a descriptor. Its reason is fixed, so another set of guests takes a new
 * one, and closes the old one only when the new one is there. All calls are asynchronous. logind
 * may be absent, start later, or start again: its name on the bus tells.
 *
 * Before the host sleeps, logind sends PrepareForSleep and waits for the delay, five seconds by
 * default. usherd has the guests stopped that want to be released, and closes the delay when the
 * last one is gone. A sleep that an administrator forces past the block lets guests with `refuse`
 * alone.
 */
#define LOGIND "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_MANAGER LOGIND ".Manager"
#define WHY_MAX 256
#define STOP_S 3 /* for a guest to shut down; logind waits 5 */

enum { BLOCK, DELAY, INHIBITORS };

static const char *const modes[INHIBITORS] = {[BLOCK] = "block", [DELAY] = "delay"};

struct inhibitor {
	struct sleep *sleep;
	const char *mode;
	char wanted[WHY_MAX]; /* reason; "": none is wanted */
	char held[WHY_MAX]; /* of the one that is held */
	char asked[WHY_MAX]; /* of the one that logind is asked for; "" */
	int fd; /* -1: none is held */
	sd_bus_slot *call;
};

struct sleep {
	struct daemon *daemon;
	struct inhibitor inhibitors[INHIBITORS];
	sd_bus_slot *prepare, *owner;
	bool is_absent; /* logind did not answer; that was said */
};

static void inhibitor_ask(struct inhibitor *i);

static void absence_say(struct sleep *s, const char *why)
{
	if (!s->is_absent)
		(void)fprintf(stderr,
			"usherd: logind does not keep this host awake for devices that are lent: "
			"%s\n",
			why);
	s->is_absent = true;
}

static int on_inhibited(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	struct inhibitor *i = arg;
	int fd = -1;

	i->call = sd_bus_slot_unref(i->call);
	if (sd_bus_message_is_method_error(m, NULL)) {
		absence_say(i->sleep, sd_bus_message_get_error(m)->message);
		i->asked[0] = '\0';
		return 0;
	}
	i->sleep->is_absent = false;
	if (sd_bus_message_read(m, "h", &fd) >= 0)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	fd_close(&i->fd);
	i->fd = fd;
	memcpy(i->held, i->asked, sizeof(i->held));
	i->asked[0] = '\0';
	inhibitor_ask(i);
	return 0;
}

/* What is wanted replaces what is held. */
static void inhibitor_ask(struct inhibitor *i)
{
	sd_bus *const bus = i->sleep->daemon->bus;
	sd_bus_message *m = NULL;

	if (i->call || strcmp(i->wanted, i->fd < 0 ? "" : i->held) == 0)
		return;
	if (!i->wanted[0]) {
		fd_close(&i->fd);
		i->held[0] = '\0';
		return;
	}
	int r = sd_bus_message_new_method_call(
		bus, &m, LOGIND, LOGIND_PATH, LOGIND_MANAGER, "Inhibit");
	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, false);
	if (r >= 0)
		r = sd_bus_message_append(m, "ssss", "sleep", "usher", i->wanted, i->mode);
	if (r >= 0)
		r = sd_bus_call_async(bus, &i->call, m, on_inhibited, i, 0);
	(void)sd_bus_message_unref(m);
	if (r >= 0)
		memcpy(i->asked, i->wanted, sizeof(i->asked));
	else
		absence_say(i->sleep, strerror(-r));
}

static int device_append(void *arg, const char *key, const struct control_value *device)
{
	const char *text = control_value_as_text(device);
	char *why = arg;
	const size_t len = strlen(why);

	if (text)
		(void)snprintf(why + len, WHY_MAX - len, " %s", text);
	return 0;
}

/* "guest 'web' has 0000:01:00.0, lease 'k' has 0000:02:00.0". */
static void why_append(char why[WHY_MAX], const struct kept *k)
{
	const size_t len = strlen(why);

	(void)snprintf(why + len, WHY_MAX - len, "%s%s '%s' has", len ? ", " : "",
		k->kind == KEPT_LEASE ? "lease" : "guest", k->name);
	(void)control_value_each(control_value_member(k->state, "devices"), device_append, why);
}

static int device_is_there(void *arg, const char *key, const struct control_value *device)
{
	return 1;
}

static bool has_devices(const struct kept *k)
{
	return k->state && control_value_each(control_value_member(k->state, "devices"),
				   device_is_there, NULL) == 1;
}

/* Whether it rather ends than keeps the host awake. */
static bool is_released(const struct kept *k)
{
	const char *policy = control_value_text(k->state, "on_sleep");

	return policy && strcmp(policy, "release") == 0;
}

void sleep_update(struct sleep *s)
{
	char why[INHIBITORS][WHY_MAX] = {{0}};

	for (const struct kept *k = s->daemon->kept; k; k = k->next)
		if (has_devices(k))
			why_append(why[is_released(k) ? DELAY : BLOCK], k);
	for (unsigned i = 0; i < INHIBITORS; i++) {
		memcpy(s->inhibitors[i].wanted, why[i], WHY_MAX);
		inhibitor_ask(&s->inhibitors[i]);
	}
}

static void guest_stop(struct daemon *d, const struct kept *k)
{
	char timeout[32], name[sizeof(k->name)];
	static char usher[] = "usher", stop[] = "stop", end[] = "--";
	char *const words[] = {usher, stop, timeout, end, name, NULL};
	struct job *j = NULL;

	(void)snprintf(timeout, sizeof(timeout), "--timeout=%d", STOP_S);
	(void)snprintf(name, sizeof(name), "%s", k->name);
	(void)job_start(d, words, 0, 0, &j);
}

static int on_prepare(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	struct sleep *s = arg;
	int sleeps = 0;

	if (sd_bus_message_read(m, "b", &sleeps) < 0)
		return 0;
	for (const struct kept *k = s->daemon->kept; sleeps && k; k = k->next)
		if (k->kind == KEPT_GUEST && has_devices(k) && is_released(k))
			guest_stop(s->daemon, k);
	return 0;
}

/* Every descriptor of a logind that has gone is void. */
static int on_owner(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *name, *old, *new;
	struct sleep *s = arg;

	if (sd_bus_message_read(m, "sss", &name, &old, &new) < 0)
		return 0;
	for (unsigned i = 0; i < INHIBITORS; i++)
		fd_close(&s->inhibitors[i].fd);
	if (new[0])
		sleep_update(s);
	return 0;
}

int sleep_new(struct daemon *d, struct sleep **ret)
{
	struct sleep *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->daemon = d;
	for (unsigned i = 0; i < INHIBITORS; i++)
		s->inhibitors[i] = (struct inhibitor){.sleep = s, .mode = modes[i], .fd = -1};
	int r = sd_bus_match_signal_async(d->bus, &s->prepare, LOGIND, LOGIND_PATH, LOGIND_MANAGER,
		"PrepareForSleep", on_prepare, NULL, s);
	if (r >= 0)
		r = sd_bus_add_match_async(d->bus, &s->owner,
			"type='signal',sender='org.freedesktop.DBus',"
			"interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" LOGIND
			"'",
			on_owner, NULL, s);
	if (r < 0) {
		sleep_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void sleep_free(struct sleep *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < INHIBITORS; i++) {
		(void)sd_bus_slot_unref(s->inhibitors[i].call);
		fd_close(&s->inhibitors[i].fd);
	}
	(void)sd_bus_slot_unref(s->prepare);
	(void)sd_bus_slot_unref(s->owner);
	free(s);
}
