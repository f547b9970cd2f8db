/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/console_control.h"

#include "base/endian.h"
#include "base/num.h"
#include "suite.h"

#include <linux/virtio_console.h>
#include <stdlib.h>
#include <string.h>

static struct console_control control;

static void setup(void)
{
	static char longest[CONSOLE_NAME_MAX];

	memset(longest, 'n', sizeof(longest) - 1);
	control = (struct console_control){.port_count = 2,
		.ports = {{.name = "agent", .connected = true}, {.name = longest}}};
}

static void say(uint32_t id, uint16_t event, uint16_t value)
{
	uint8_t message[8];

	le32_put(message, id);
	le16_put(message + 4, event);
	le16_put(message + 6, value);
	console_control_take(&control, message, sizeof(message));
}

/* The next message is this one; its name, if it has one, is @name. */
static void hear(uint32_t id, uint16_t event, uint16_t value, const char *name)
{
	uint8_t message[CONSOLE_MESSAGE_MAX] = {0};

	const size_t len = console_control_next(&control, message);
	ck_assert_uint_eq(len, 8 + strlen(name));
	ck_assert_uint_eq(le32_get(message), id);
	ck_assert_uint_eq(le16_get(message + 4), event);
	ck_assert_uint_eq(le16_get(message + 6), value);
	ck_assert(memcmp(message + 8, name, strlen(name)) == 0);
}

static void hear_nothing(void)
{
	uint8_t message[CONSOLE_MESSAGE_MAX];

	ck_assert(!console_control_is_due(&control));
	ck_assert_uint_eq(console_control_next(&control, message), 0);
}

START_TEST(introduces_its_ports)
{
	setup();
	hear_nothing();
	say(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	hear(0, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	hear(1, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	hear_nothing();
	say(1, VIRTIO_CONSOLE_PORT_READY, 1);
	hear(1, VIRTIO_CONSOLE_PORT_NAME, 1, control.ports[1].name);
	hear(1, VIRTIO_CONSOLE_PORT_OPEN, 0, "");
	say(0, VIRTIO_CONSOLE_PORT_READY, 1);
	hear(0, VIRTIO_CONSOLE_PORT_NAME, 1, "agent");
	hear(0, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	hear_nothing();
	say(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	ck_assert(control.ports[0].open);
	ck_assert(!control.ports[1].open);
	ck_assert_uint_eq(control.misdeeds, 0);
}
END_TEST

START_TEST(tells_who_comes_and_who_leaves)
{
	setup();
	/* A driver that does not know the port yet finds it as it is when it does. */
	console_control_connect(&control, 1, true);
	hear_nothing();
	say(1, VIRTIO_CONSOLE_PORT_READY, 1);
	hear(1, VIRTIO_CONSOLE_PORT_NAME, 1, control.ports[1].name);
	hear(1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	console_control_connect(&control, 1, true);
	hear_nothing();
	/* Many come and leave while the driver does not listen: it hears the end of it. */
	for (int i = 0; i < 1001; i++)
		console_control_connect(&control, 1, i % 2);
	hear(1, VIRTIO_CONSOLE_PORT_OPEN, 0, "");
	hear_nothing();
}
END_TEST

START_TEST(forgets_the_driver)
{
	setup();
	say(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	say(0, VIRTIO_CONSOLE_PORT_READY, 1);
	say(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	console_control_reset(&control);
	hear_nothing();
	ck_assert(!control.ports[0].open);
	console_control_connect(&control, 0, false);
	hear_nothing();
	console_control_begin_single(&control);
	ck_assert(control.ports[0].open);
}
END_TEST

static const struct {
	uint32_t id;
	uint16_t event, value;
} senseless[] = {
	{2, VIRTIO_CONSOLE_PORT_READY, 1}, {UINT32_MAX, VIRTIO_CONSOLE_PORT_READY, 1},
	{UINT32_MAX, VIRTIO_CONSOLE_PORT_OPEN, 1}, {0x80000000, VIRTIO_CONSOLE_PORT_OPEN, 1},
	{0, VIRTIO_CONSOLE_PORT_ADD, 1}, {0, VIRTIO_CONSOLE_PORT_REMOVE, 1},
	{0, VIRTIO_CONSOLE_CONSOLE_PORT, 1}, {0, VIRTIO_CONSOLE_RESIZE, 1},
	{0, VIRTIO_CONSOLE_PORT_NAME, 1}, {0, VIRTIO_CONSOLE_PORT_READY, 2},
	{0, VIRTIO_CONSOLE_PORT_OPEN, 2}, {0, VIRTIO_CONSOLE_DEVICE_READY, 0xffff},
	{0, 0xffff, 0xffff}, {1, 0x0100, 1}, /* DEVICE_READY with its bytes the other way round */
};

START_TEST(counts_what_makes_no_sense)
{
	static const uint8_t whole[8] = {0};

	setup();
	for (size_t i = 0; i < COUNT(senseless); i++) {
		say(senseless[i].id, senseless[i].event, senseless[i].value);
		ck_assert_uint_eq(control.misdeeds, i + 1);
		ck_assert(!control.ports[0].open && !control.ports[1].open);
		ck_assert(!control.ports[0].ready && !control.ports[1].ready);
		hear_nothing();
	}
	for (size_t len = 0; len < sizeof(whole); len++) {
		/* The sanitizer sees a byte that is read beyond it. */
		uint8_t *part = malloc(len ? len : 1);
		memcpy(part, whole, len);
		console_control_take(&control, part, len);
		free(part);
	}
	ck_assert_uint_eq(control.misdeeds, COUNT(senseless) + sizeof(whole));
	hear_nothing();
}
END_TEST

START_TEST(nothing_grows)
{
	unsigned count = 0;
	uint8_t message[CONSOLE_MESSAGE_MAX];

	setup();
	for (int i = 0; i < 100000; i++) {
		say(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
		say((uint32_t)i % 3, VIRTIO_CONSOLE_PORT_READY, 1);
	}
	while (console_control_next(&control, message))
		count++;
	ck_assert_uint_le(count, 6);
	/* A driver that failed is told nothing of that port. */
	say(0, VIRTIO_CONSOLE_PORT_READY, 1);
	say(0, VIRTIO_CONSOLE_PORT_READY, 0);
	hear_nothing();
}
END_TEST

SUITE("console_control", introduces_its_ports, tells_who_comes_and_who_leaves, forgets_the_driver,
	counts_what_makes_no_sense, nothing_grows)
