/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_VMM_CONSOLE_RIG_H
#define TEST_UNIT_VMM_CONSOLE_RIG_H

/* A machine with a virtio console, its driver, and what is at the host's end. */
#include "base/endian.h"
#include "virtio_rig.h"

#include <fcntl.h>
#include <linux/virtio_console.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define DATA(n) (MIB(10) + (n)*KIB(256)) /* the buffers of queue n, STEP each */
#define STEP KIB(16)
#define CONFIG(field) offsetof(struct virtio_console_config, field)
#define CONSOLE 1 /* buses */
#define PORTS 2
#define CONTROL_IN 2 /* queues */
#define CONTROL_OUT 3
#define IN(port) ((port) ? 2 * (port) + 2 : 0)
#define OUT(port) (IN(port) + 1)

static int from_guest; /* standard output */
static int to_guest; /* standard input */

static inline void choose(unsigned device)
{
	device_choose(device, VIRTIO_TYPE_CONSOLE);
}

static inline void stdio_replace(void)
{
	int in[2], out[2];

	ck_assert_int_eq(pipe(in), 0);
	ck_assert_int_eq(pipe(out), 0);
	ck_assert_int_eq(dup2(in[0], STDIN_FILENO), STDIN_FILENO);
	ck_assert_int_eq(dup2(out[1], STDOUT_FILENO), STDOUT_FILENO);
	(void)close(in[0]);
	(void)close(out[1]);
	to_guest = in[1];
	from_guest = out[0];
}

static inline void spec_prepare(void)
{
	machine_describe("console");
	spec.console = CONSOLE_VIRTIO;
}

static inline void start(void)
{
	stdio_replace();
	machine_start();
}

static inline void finish(void)
{
	machine_finish();
}

/* Its reset does not take time. */
static inline void set_up(uint64_t features)
{
	common_put(COMMON(device_status), 1, 0);
	ck_assert_uint_eq(common_get(COMMON(device_status), 1), 0);
	features_accept(features | BIT64(VIRTIO_F_VERSION_1));
	ck_assert(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_FEATURES_OK);
	for (unsigned n = 0; n < common_get(COMMON(num_queues), 2); n++) {
		queue_place(n);
		queue_enable(n);
	}
	driver_go();
}

/* Lists the chain that begins with descriptor @i, and rings. */
static inline void chain_list(unsigned n, unsigned i)
{
	head_list(n, i);
	bell_ring(n);
}

/* One chain of one descriptor. */
static inline void buffer_list(unsigned n, uint32_t size, bool in)
{
	const unsigned i = listed[n] % RING_SIZE;

	descriptor_put(n, i, DATA(n) + STEP * i, size, in ? VRING_DESC_F_WRITE : 0, 0);
	chain_list(n, i);
}

static inline void send_bytes(unsigned n, const void *bytes, size_t len)
{
	memory_put(DATA(n) + STEP * (listed[n] % RING_SIZE), bytes, len);
	buffer_list(n, (uint32_t)len, false);
	serve();
}

static inline void send_text(unsigned n, const char *text)
{
	send_bytes(n, text, strlen(text));
}

static inline void control_send(uint32_t id, uint16_t event, uint16_t value)
{
	uint8_t message[8];

	le32_put(message, id);
	le16_put(message + 4, event);
	le16_put(message + 6, value);
	send_bytes(CONTROL_OUT, message, sizeof(message));
}

/* What the device has put into the last chain of queue @n. */
static inline const char *received(unsigned n)
{
	static char text[256];
	const unsigned last = used_index(n) - 1U;
	const uint32_t head = used_head(n, last), len = used_size(n, last);

	ck_assert_uint_lt(len, sizeof(text));
	ck_assert_int_eq(memory_read(&machine.vm.memory, GPA(DATA(n) + STEP * head), text, len), 0);
	text[len] = '\0';
	return text;
}

static inline const char *from(int fd)
{
	static char text[256];
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, 20000) <= 0)
		return "nothing";
	ssize_t len = read(fd, text, sizeof(text) - 1);
	text[len > 0 ? len : 0] = '\0';
	return text;
}

#endif
