/* SPDX-License-Identifier: MIT */
/*
 * daemon_calls WHAT ROUNDS [ADDRESS]: asks usherd over a connection that stays, and prints the
 * seconds of each round. WHAT: property, list, objects; verb (bind and release), lease (until the
 * descriptors are here), and open (the library opens the device itself), which need an ADDRESS.
 */
#include "clock.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <usher/device.h>
#include <usher/err.h>

#define NAME "org.usher.Usher1"
#define ROOT "/org/usher/Usher1"
#define MANAGER NAME ".Manager"
#define PATIENCE_US UINT64_C(120000000)

static sd_bus *bus;
static const char *address;
static char uri[64];

static void check_call(int r, const sd_bus_error *e, const char *what)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "%s: %s\n", what, e && e->message ? e->message : strerror(-r));
	exit(1);
}

/* Sends @m, which is taken over. */
static sd_bus_message *ask(sd_bus_message *m, const char *what)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *answer = NULL;

	int r = sd_bus_call(bus, m, PATIENCE_US, &e, &answer);
	check_call(r, &e, what);
	(void)sd_bus_message_unref(m);
	return answer;
}

static sd_bus_message *message(const char *path, const char *interface, const char *member)
{
	sd_bus_message *m = NULL;

	check_call(sd_bus_message_new_method_call(bus, &m, NAME, path, interface, member), NULL,
		member);
	return m;
}

static void property_round(void)
{
	sd_bus_message *m = message(ROOT "/host", "org.freedesktop.DBus.Properties", "Get");

	check_call(sd_bus_message_append(m, "ss", NAME ".Host", "Devices"), NULL, "Get");
	(void)sd_bus_message_unref(ask(m, "Get"));
}

static void list_round(void)
{
	(void)sd_bus_message_unref(ask(message(ROOT, MANAGER, "List"), "List"));
}

static void objects_round(void)
{
	sd_bus_message *m =
		message(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");

	(void)sd_bus_message_unref(ask(m, "GetManagedObjects"));
}

static void job_await(sd_bus_message *answer, const char *what)
{
	const char *path, *state;
	int32_t status = 0;

	check_call(sd_bus_message_read(answer, "o", &path), NULL, what);
	sd_bus_message *done =
		strcmp(path, "/") == 0 ? NULL : ask(message(path, NAME ".Job", "Wait"), "Wait");
	if (done)
		check_call(sd_bus_message_read(done, "si", &state, &status), NULL, "Wait");
	if (status) {
		(void)fprintf(stderr, "%s ended with status %d\n", what, (int)status);
		exit(1);
	}
	(void)sd_bus_message_unref(done);
	(void)sd_bus_message_unref(answer);
}

static void verb_one(const char *member)
{
	sd_bus_message *m = message(ROOT, MANAGER, member);

	check_call(sd_bus_message_append(m, "asa{sv}", 1, address, 0), NULL, member);
	job_await(ask(m, member), member);
}

static void verb_round(void)
{
	verb_one("Bind");
	verb_one("Release");
}

static void lease_take(void)
{
	sd_bus_message *m = message(ROOT, MANAGER, "Lease");

	check_call(sd_bus_message_append(m, "asa{sv}", 1, address, 1, "key", "s", "bench"), NULL,
		"Lease");
	(void)sd_bus_message_unref(ask(m, "Lease"));
}

static void lease_end(void)
{
	sd_bus_message *m = message(ROOT, MANAGER, "Return");

	check_call(sd_bus_message_append(m, "s", "bench"), NULL, "Return");
	job_await(ask(m, "Return"), "Return");
}

static struct usher_device *device;

static void device_open(void)
{
	struct usher_err e = {0};

	if (usher_device_open(uri, NULL, &device, &e) < 0) {
		(void)fprintf(stderr, "open: %s\n", e.msg);
		exit(1);
	}
}

static void device_close(void)
{
	device = usher_device_close(device);
}

/* sd-bus connects, and the bus gives it a name, with the first call. */
static void bus_open(void)
{
	check_call(sd_bus_open_system(&bus), NULL, "the bus");
	property_round();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*round)(void);
		void (*after)(void);
	} kinds[] = {{"property", property_round, NULL}, {"list", list_round, NULL},
		{"objects", objects_round, NULL}, {"verb", verb_round, NULL},
		{"lease", lease_take, lease_end}, {"open", device_open, device_close}};
	size_t kind = 0;

	while (argc > 2 && kind < sizeof(kinds) / sizeof(kinds[0]) &&
		strcmp(argv[1], kinds[kind].name) != 0)
		kind++;
	if (argc < 3 || kind == sizeof(kinds) / sizeof(kinds[0]))
		return 2;
	address = argc > 3 ? argv[3] : "";
	(void)snprintf(uri, sizeof(uri), "pci:%s", address);
	if (kinds[kind].round != device_open)
		bus_open();
	for (int i = atoi(argv[2]); i > 0; i--) {
		const double begun = clock_now();
		kinds[kind].round();
		(void)printf("%.6f\n", clock_now() - begun);
		if (kinds[kind].after)
			kinds[kind].after();
	}
	return 0;
}
