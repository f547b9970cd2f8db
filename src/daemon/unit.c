/* SPDX-License-Identifier: MIT */
#include "daemon/unit.h"

#include "daemon/scope.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define SYSTEMD "org.freedesktop.systemd1"
#define AGAIN_US (1 * UINT64_C(1000000))
#define TRIES_MAX 3

/* A unit that is to end. It frees itself. */
struct stopping {
	struct daemon *daemon;
	char unit[UNIT_NAME_MAX + 8]; /* with its suffix */
	unsigned tries;
	sd_event_source *timer;
};

bool unit_is_needed(char *const *words)
{
	return strcmp(words[1], "start") == 0 && sd_booted() > 0;
}

/* Another usherd numbers its jobs anew, and units of an earlier one may run still. */
void unit_name(char buf[UNIT_NAME_MAX], uint32_t job)
{
	(void)snprintf(buf, UNIT_NAME_MAX, SCOPE_START "%d-%" PRIu32, (int)getpid(), job);
}

/* The guest's processes stay when `usher start` ends (daemon/scope.c). */
void unit_words(const char *program, const char *unit, char option[UNIT_NAME_MAX + 8],
	const char *ret[UNIT_WORDS])
{
	const char *const words[UNIT_WORDS] = {"systemd-run", "--quiet", "--pipe", "--wait",
		"--collect", option, "--property=KillMode=process", "--", program};

	(void)snprintf(option, UNIT_NAME_MAX + 8, "--unit=%s", unit);
	memcpy(ret, words, sizeof(words));
}

static void stopping_free(struct stopping *s)
{
	(void)sd_event_source_disable_unref(s->timer);
	free(s);
}

static int stopping_ask(struct stopping *s);

static int on_again(sd_event_source *source, uint64_t us, void *arg)
{
	struct stopping *s = arg;

	s->timer = sd_event_source_disable_unref(s->timer);
	if (stopping_ask(s) < 0)
		stopping_free(s);
	return 0;
}

/* The request of systemd-run may reach systemd after this one: the two have other sockets. */
static int on_answer(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	struct stopping *s = arg;

	if (!sd_bus_message_is_method_error(m, NULL) || ++s->tries == TRIES_MAX ||
		sd_event_add_time_relative(
			s->daemon->event, &s->timer, CLOCK_MONOTONIC, AGAIN_US, 0, on_again, s) < 0)
		stopping_free(s);
	return 0;
}

static int stopping_ask(struct stopping *s)
{
	sd_bus_message *m = NULL;

	int r = sd_bus_message_new_method_call(s->daemon->bus, &m, SYSTEMD,
		"/org/freedesktop/systemd1", SYSTEMD ".Manager", "StopUnit");
	if (r >= 0)
		r = sd_bus_message_append(m, "ss", s->unit, "replace");
	if (r >= 0)
		r = sd_bus_call_async(s->daemon->bus, NULL, m, on_answer, s, 0);
	(void)sd_bus_message_unref(m);
	return r;
}

void unit_stop(struct daemon *d, const char *unit)
{
	struct stopping *s = calloc(1, sizeof(*s));

	if (!s)
		return;
	s->daemon = d;
	(void)snprintf(s->unit, sizeof(s->unit), "%s.service", unit);
	if (stopping_ask(s) < 0)
		stopping_free(s);
}
