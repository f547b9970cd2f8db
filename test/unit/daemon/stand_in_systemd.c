/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for logind, systemd-machined and systemd on the bus. It prints a line for each call,
 * and each signal of usherd's about faults, and does what standard input says:
 *
 *	sleep, wake		sends PrepareForSleep
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#define LOGIND "org.freedesktop.login1"
#define MACHINED "org.freedesktop.machine1"
#define SYSTEMD "org.freedesktop.systemd1"

static sd_bus *bus;
static sd_event *event;

__attribute__((format(printf, 1, 2))) static void line_print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
	(void)fflush(stdout);
}

/* The other end of an inhibitor's descriptor is closed. */
static int on_released(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	char *what = arg;

	line_print("released %s", what);
	free(what);
	(void)sd_event_source_disable_unref(source);
	(void)close(fd);
	return 0;
}

static int method_inhibit(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *what = "", *who = "", *why = "", *mode = "";
	char *text = NULL;
	int ends[2];

	int r = sd_bus_message_read(m, "ssss", &what, &who, &why, &mode);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0 || asprintf(&text, "%s: %s", mode, why) < 0)
		return -errno;
	line_print("inhibit %s %s %s: %s", what, who, mode, why);
	sd_event_source *source = NULL;
	r = sd_event_add_io(event, &source, ends[0], 0, on_released, text);
	if (r >= 0)
		r = sd_bus_reply_method_return(m, "h", ends[1]);
	(void)close(ends[1]);
	return r;
}

static int method_register(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *name = "", *service = "", *class = "", *root = "";
	const void *id = NULL;
	uint32_t leader = 0;
	size_t len = 0;

	int r = sd_bus_message_read(m, "s", &name);
	if (r >= 0)
		r = sd_bus_message_read_array(m, 'y', &id, &len);
	if (r >= 0)
		r = sd_bus_message_read(m, "ssus", &service, &class, &leader, &root);
	if (r < 0)
		return r;
	line_print("register %s %zu %s %s %u '%s'", name, len, service, class, leader, root);
	return sd_bus_reply_method_return(m, "o", "/org/freedesktop/machine1/machine/x");
}

static int method_unregister(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *name = "";

	int r = sd_bus_message_read(m, "s", &name);
	if (r < 0)
		return r;
	line_print("unregister %s", name);
	return sd_bus_reply_method_return(m, "");
}

/* The first time it knows no such unit, as a systemd that is about to make it. */
static int method_stop(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	static bool is_known;
	const char *unit = "", *mode = "";

	int r = sd_bus_message_read(m, "ss", &unit, &mode);
	if (r < 0)
		return r;
	line_print("%s %s %s", is_known ? "stop" : "unknown", unit, mode);
	if (is_known)
		return sd_bus_reply_method_return(m, "o", "/org/freedesktop/systemd1/job/1");
	is_known = true;
	return sd_bus_error_set_const(error, "org.freedesktop.systemd1.NoSuchUnit", "not loaded");
}

static const sd_bus_vtable systemd_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("StopUnit", "ss", "o", method_stop, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable logind_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Inhibit", "ssss", "h", method_inhibit, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_SIGNAL("PrepareForSleep", "b", 0),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable machined_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD(
		"RegisterMachine", "sayssus", "o", method_register, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("UnregisterMachine", "s", "", method_unregister, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static int on_fault(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *object, *cause, *evidence;

	if (sd_bus_message_read(m, "oss", &object, &cause, &evidence) >= 0)
		line_print("%s %s %s %s", sd_bus_message_get_member(m), object, cause, evidence);
	return 0;
}

static int on_word(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	char text[64] = "";

	if (read(fd, text, sizeof(text) - 1) <= 0)
		return sd_event_exit(event, 0);
	return sd_bus_emit_signal(bus, "/org/freedesktop/login1", LOGIND ".Manager",
		"PrepareForSleep", "b", strncmp(text, "sleep", 5) == 0);
}

int main(void)
{
	if (sd_event_default(&event) < 0 || sd_bus_open_system(&bus) < 0 ||
		sd_bus_attach_event(bus, event, 0) < 0 ||
		sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/login1", LOGIND ".Manager",
			logind_vtable, NULL) < 0 ||
		sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/machine1",
			MACHINED ".Manager", machined_vtable, NULL) < 0 ||
		sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/systemd1", SYSTEMD ".Manager",
			systemd_vtable, NULL) < 0 ||
		sd_bus_match_signal(bus, NULL, NULL, NULL, "org.usher.Usher1.Health", NULL,
			on_fault, NULL) < 0 ||
		sd_event_add_io(event, NULL, STDIN_FILENO, EPOLLIN, on_word, NULL) < 0 ||
		sd_bus_request_name(bus, MACHINED, 0) < 0 ||
		sd_bus_request_name(bus, SYSTEMD, 0) < 0 || sd_bus_request_name(bus, LOGIND, 0) < 0)
		return 1;
	line_print("ready");
	return sd_event_loop(event) < 0;
}
