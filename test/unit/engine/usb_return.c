/* SPDX-License-Identifier: MIT */
#include "engine/usb_return.h"

#include "base/file.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A bus whose drivers_probe is a file that keeps what was written last. */
static char bus[] = "/tmp/usher-usb-XXXXXX";

static void bus_put(const char *name)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/%s", bus, name);
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void bus_drop(const char *name)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/%s", bus, name);
	ck_assert_int_eq(remove(path), 0);
}

static void bus_make(void)
{
	char path[96];

	ck_assert_ptr_nonnull(mkdtemp(bus));
	bus_put("devices");
	bus_put("devices/1-2");
	bus_put("devices/1-2:1.0");
	bus_put("devices/1-2:1.0/driver");
	bus_put("devices/1-2:1.1"); /* without a driver before the guest */
	bus_put("devices/1-2.3:1.0"); /* of another device */
	bus_put("devices/1-2.3:1.0/driver");
	(void)snprintf(path, sizeof(path), "%s/drivers_probe", bus);
	ck_assert_int_eq(file_replace(path, "", 0, 0600), 0);
}

static void bus_remove(void)
{
	bus_drop("drivers_probe");
	bus_drop("devices/1-2.3:1.0/driver");
	bus_drop("devices/1-2.3:1.0");
	bus_drop("devices/1-2:1.1");
	bus_drop("devices/1-2");
	bus_drop("devices");
	ck_assert_int_eq(rmdir(bus), 0);
}

static void was_probed(const char *name)
{
	char path[96], text[64];

	(void)snprintf(path, sizeof(path), "%s/drivers_probe", bus);
	ck_assert_int_ge(file_read(path, text, sizeof(text)), 0);
	ck_assert_str_eq(text, name);
}

START_TEST(drivers_get_back_what_they_had)
{
	struct usb_return r = {0};

	bus_make();
	usb_return_note(bus, "1-2", &r);
	ck_assert_uint_eq(r.count, 1);
	usb_return_probe(bus, &r); /* the driver has it */
	was_probed("");
	usb_return_note(bus, "1-2", &r);
	bus_drop("devices/1-2:1.0/driver");
	usb_return_probe(bus, &r);
	was_probed("1-2:1.0");
	ck_assert_uint_eq(r.count, 0);
	bus_drop("devices/1-2:1.0");
	bus_remove();
}
END_TEST

START_TEST(a_device_may_be_unplugged)
{
	struct usb_return r = {0};

	bus_make();
	usb_return_note(bus, "1-2", &r);
	bus_drop("devices/1-2:1.0/driver");
	bus_drop("devices/1-2:1.0");
	usb_return_probe(bus, &r);
	was_probed("");
	bus_remove();
}
END_TEST

SUITE("engine_usb_return", drivers_get_back_what_they_had, a_device_may_be_unplugged)
