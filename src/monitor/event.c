/* SPDX-License-Identifier: MIT */
#include "monitor/event.h"

#include "base/file.h"
#include "base/num.h"
#include "control/line.h"
#include "control/value.h"
#include "pci/class.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DOCUMENT_VERSION 2 /* JSON_VERSION of view/json.h */

const char *monitor_kind_name(enum monitor_kind kind)
{
	static const char *const names[] = {[MONITOR_ADDED] = "added",
		[MONITOR_REMOVED] = "removed",
		[MONITOR_DRIVER] = "driver",
		[MONITOR_FAULT] = "fault",
		[MONITOR_RECOVERED] = "recovered",
		[MONITOR_LEASE] = "lease",
		[MONITOR_GUEST] = "guest",
		[MONITOR_OVERRUN] = "overrun"};

	return kind < COUNT(names) ? names[kind] : "";
}

void monitor_tell(const struct monitor_teller *to, struct monitor_event *e)
{
	(void)clock_gettime(CLOCK_REALTIME, &e->time);
	to->tell(to->arg, e);
}

static void text_or_null(struct control_line *l, const char *key, const char *text)
{
	if (text)
		control_line_text(l, key, text);
	else
		control_line_json(l, key, "null");
}

static void number_or_null(
	struct control_line *l, const char *key, const struct control_value *v, const char *from)
{
	int64_t n;

	if (control_value_number(v, from, &n))
		control_line_number(l, key, n);
	else
		control_line_json(l, key, "null");
}

static void put_time(struct control_line *l, const struct timespec *t)
{
	char text[64], zone[16];
	struct tm tm;

	if (!localtime_r(&t->tv_sec, &tm))
		return;
	(void)strftime(zone, sizeof(zone), "%z", &tm);
	size_t n = strftime(text, sizeof(text), "%FT%T", &tm);
	(void)snprintf(text + n, sizeof(text) - n, ".%03ld%s", t->tv_nsec / 1000000, zone);
	control_line_text(l, "time", text);
}

/* "10de:2204"; NULL of an event that is not about a function's coming or going. */
static const char *id_text(const struct monitor_event *e, char buf[16])
{
	if (e->kind != MONITOR_ADDED && e->kind != MONITOR_REMOVED)
		return NULL;
	(void)snprintf(buf, 16, "%04x:%04x", e->vendor, e->device);
	return buf;
}

static int device_push(void *arg, const char *key, const struct control_value *device)
{
	const char *word = control_value_as_text(device);

	if (word)
		control_line_text(arg, NULL, word);
	return 0;
}

static void put_kept(struct control_line *l, const struct monitor_event *e)
{
	text_or_null(l, "lease", e->lease);
	text_or_null(l, "guest", e->guest);
	text_or_null(l, "state", e->state);
	text_or_null(l, "engine", control_value_text(e->kept, "engine"));
	number_or_null(l, "user", e->kept, "user");
	number_or_null(l, "keeper", e->kept, "keeper");
	number_or_null(l, "pid", e->kept, "pid");
	control_line_open(l, "devices", '[');
	(void)control_value_each(control_value_member(e->kept, "devices"), device_push, l);
	control_line_close(l, ']');
}

size_t monitor_line_json(const struct monitor_event *e, char *buf, size_t size)
{
	char address[PCI_ADDRESS_TEXT], id[16];
	const char *const id_or_none = id_text(e, id);
	struct control_line l;

	control_line_begin(&l, buf, size);
	control_line_number(&l, "version", DOCUMENT_VERSION);
	control_line_text(&l, "verb", "monitor");
	put_time(&l, &e->time);
	control_line_text(&l, "event", monitor_kind_name(e->kind));
	text_or_null(
		&l, "address", e->has_address ? pci_address_format(e->address, address) : NULL);
	text_or_null(&l, "id", id_or_none);
	text_or_null(&l, "class", id_or_none ? pci_class_name(e->class) : NULL);
	text_or_null(&l, "driver", e->driver && e->driver[0] ? e->driver : NULL);
	text_or_null(&l, "driver_before",
		e->driver_before && e->driver_before[0] ? e->driver_before : NULL);
	put_kept(&l, e);
	text_or_null(&l, "cause", e->cause);
	text_or_null(&l, "evidence", e->evidence);
	control_line_flag(&l, "missed", e->missed);
	return control_line_end(&l);
}

static const char *or_none(const char *driver)
{
	return driver && driver[0] ? driver : "no driver";
}

static int device_append(void *arg, const char *key, const struct control_value *device)
{
	const char *word = control_value_as_text(device);

	if (word)
		(void)fprintf(arg, " %s", word);
	return 0;
}

static void kept_print(FILE *to, const struct monitor_event *e)
{
	const char *engine = control_value_text(e->kept, "engine");
	int64_t user;

	(void)fprintf(to, "%s %s", e->lease ? e->lease : e->guest,
		e->state ? e->state : "in an unknown state");
	if (e->guest && engine)
		(void)fprintf(to, ", engine %s", engine);
	if (control_value_number(e->kept, "user", &user))
		(void)fprintf(to, ", user %" PRId64, user);
	(void)fputs(e->kept ? ":" : "", to);
	(void)control_value_each(control_value_member(e->kept, "devices"), device_append, to);
}

static void body_print(FILE *to, const struct monitor_event *e)
{
	char id[16], evidence[1024];

	switch (e->kind) {
	case MONITOR_ADDED:
	case MONITOR_REMOVED:
		(void)fprintf(to, "%s %s", id_text(e, id), pci_class_name(e->class));
		break;
	case MONITOR_DRIVER:
		(void)fprintf(to, "%s -> %s", or_none(e->driver_before), or_none(e->driver));
		break;
	case MONITOR_FAULT:
	case MONITOR_RECOVERED:
	case MONITOR_OVERRUN:
		file_escape(evidence, sizeof(evidence), e->evidence ? e->evidence : "");
		if (e->lease || e->guest)
			(void)fprintf(to, "%s '%s': ", e->lease ? "lease" : "guest",
				e->lease ? e->lease : e->guest);
		(void)fprintf(
			to, "%s%s%s", e->cause ? e->cause : "", e->cause ? ": " : "", evidence);
		break;
	case MONITOR_LEASE:
	case MONITOR_GUEST:
		kept_print(to, e);
		break;
	case MONITOR_KINDS:
		break;
	}
}

size_t monitor_line_text(const struct monitor_event *e, char *buf, size_t size)
{
	char address[PCI_ADDRESS_TEXT], when[40] = "";
	struct tm tm;

	if (localtime_r(&e->time.tv_sec, &tm))
		(void)strftime(when, sizeof(when), "%F %T", &tm);
	FILE *to = fmemopen(buf, size, "w");
	if (!to)
		return 0;
	(void)fprintf(to, "%s %-9s ", when, monitor_kind_name(e->kind));
	if (e->has_address)
		(void)fprintf(to, "%s ", pci_address_format(e->address, address));
	body_print(to, e);
	(void)fputs(e->missed ? " (missed)\n" : "\n", to);
	const long len = ftell(to);
	return fclose(to) == 0 && len > 0 && (size_t)len < size ? (size_t)len : 0;
}
