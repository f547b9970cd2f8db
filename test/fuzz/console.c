/* SPDX-License-Identifier: MIT */
/*
 * A driver of a virtio console that sends control messages and lists chains at random, and resets
 * the device in the middle of it; at the host's end somebody takes and gives as much as the input
 * says. Input: how the device is set up, then steps: a byte for what happens, and what that needs.
 *
 * covers: src/vmm/virtio/console_control.c src/vmm/virtio/console_port.c
 */
#include "base/endian.h"
#include "base/num.h"
#include "input.h"
#include "require.h"
#include "vmm/copy.h"
#include "vmm/memory.h"
#include "vmm/virtio/console_control.h"
#include "vmm/virtio/console_port.h"

#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAM_SIZE UINT64_C(0x10000)
#define SIZE 16 /* of a queue */
#define DESC(n) ((n)*UINT64_C(0x1000))
#define AVAIL(n) (DESC(n) + 0x800)
#define USED(n) (DESC(n) + 0xc00)
#define DATA 0x4000
#define STEPS_MAX 256
#define FIFO (4 * CONSOLE_BUDGET)

static struct memory memory = MEMORY_NONE;
static struct lock lock = LOCK_INIT(LOCK_DEVICE);
static struct virtio_device device;
static struct virtio_transport transport;
static struct console_port port;
static struct console_control control;
static uint8_t before[RAM_SIZE];

/* What the guest has sent, and the host's end has not taken. */
static struct {
	uint8_t bytes[FIFO];
	size_t first, count;
} fifo;

/* The host's end. */
static struct {
	struct console_end end;
	size_t takes, gives; /* [bytes] from now on */
	bool resets; /* the driver resets the device while input is on its way */
	uint8_t next;
} host;

static void memory_clear(void)
{
	if (!memory.ram) {
		struct memory_range r = {.size = RAM_SIZE, .kind = MEMORY_RAM};
		require(memory_init(&memory, RAM_SIZE, MEMORY_PRIVATE, NULL) == 0, "there is RAM");
		r.host = memory.ram;
		require(memory_add(&memory, &r, NULL) == 0, "RAM is in the guest");
	}
	memset(memory.ram, 0, RAM_SIZE);
}

static void nothing_interrupts(struct virtio_transport *t, unsigned n)
{
	require(n < device.queue_count, "a queue that is there interrupts");
}

static void nothing_changes(struct virtio_transport *t)
{
}

static void nothing_rings(struct virtio_device *d, unsigned n)
{
}

static void driver_resets(struct virtio_device *d)
{
	console_control_reset(&control);
	port.reads = false;
}

static const struct virtio_ops ops = {.name = "console",
	.type = VIRTIO_TYPE_CONSOLE,
	.queue_count = 2,
	.rang = nothing_rings,
	.reset = driver_resets};

/* Under the lock, as console_port.h has it. */
static void guest_heard(struct console_port *p, const uint8_t *bytes, size_t len)
{
	require(device.status, "nothing is sent after a reset");
	require(len <= CONSOLE_PIECE && fifo.count + len <= CONSOLE_PIECE,
		"a port holds no more than a piece");
	for (size_t i = 0; i < len; i++)
		fifo.bytes[(fifo.first + fifo.count++) % FIFO] = bytes[i];
}

static size_t host_send(struct console_end *e, const uint8_t *bytes, size_t len)
{
	const size_t taken = (size_t)min_u64(len, host.takes);

	require(len <= fifo.count, "the host gets what was sent");
	for (size_t i = 0; i < taken; i++)
		require(bytes[i] == fifo.bytes[(fifo.first + i) % FIFO], "in its order");
	fifo.first = (fifo.first + taken) % FIFO;
	fifo.count -= taken;
	host.takes -= taken;
	return taken;
}

static size_t host_receive(struct console_end *e, uint8_t *bytes, size_t size)
{
	const size_t given = (size_t)min_u64(size, host.gives);

	require(size && size <= CONSOLE_PIECE, "a guest has room that it is asked for");
	require(port.reads, "a port that is not open takes no input");
	for (size_t i = 0; i < given; i++)
		bytes[i] = ++host.next;
	host.gives -= given;
	if (given && host.resets) {
		lock_take(&lock);
		virtio_reset(&device);
		memcpy(before, memory.ram, RAM_SIZE);
		lock_drop(&lock);
	}
	return given;
}

static void host_want(struct console_end *e, bool open, bool input, bool room)
{
	require(!input || open, "who does not read waits for no input");
	require(room == (fifo.count > 0), "room is wanted for what is left");
}

static void device_go(struct input *in)
{
	const uint8_t how = input_byte(in);

	for (unsigned n = 0; n < ops.queue_count; n++) {
		struct virtq *q = &device.queues[n];
		if (q->enabled)
			return;
		q->size = SIZE;
		q->desc = GPA(DESC(n));
		q->avail = GPA(AVAIL(n));
		q->used = GPA(USED(n));
		q->event_index = how & 1;
		q->indirect = how & 2;
		require(virtq_enable(q), "a queue can be there");
	}
	device.status = VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;
	port.reads = how & 4;
}

static void driver_write(struct input *in)
{
	const uint64_t at = input_bytes(in, 2) % DATA;

	(void)memory_le16_put(&memory, GPA(at), (uint16_t)input_bytes(in, 2));
}

/* One more chain, of a few parts, mostly in RAM. */
static void driver_list(struct input *in, unsigned n)
{
	const struct virtq *q = &device.queues[n];
	const uint8_t how = input_byte(in);
	uint16_t listed = 0;

	(void)memory_le16_get(&memory, GPA(AVAIL(n) + 2), &listed);
	for (unsigned i = 0; i <= (how & 3); i++) {
		const uint16_t index = (uint16_t)((listed * 4 + i) % SIZE);
		const struct vring_desc d = {
			.addr = htole64(
				how & 0x80 ? input_number(in) : DATA + input_bytes(in, 2) % 0x8000),
			.len = htole32(how & 0x40 ? (uint32_t)input_number(in)
						  : (uint32_t)input_bytes(in, 2) % 0x3000),
			.flags = htole16((uint16_t)((n ? 0 : VRING_DESC_F_WRITE) |
						    (i < (how & 3) ? VRING_DESC_F_NEXT : 0))),
			.next = htole16((uint16_t)((index + 1) % SIZE))};
		(void)memory_write(&memory, GPA(DESC(n) + 16 * index), &d, sizeof(d));
	}
	(void)memory_le16_put(
		&memory, GPA(AVAIL(n) + 4 + 2 * (listed % SIZE)), (uint16_t)(listed * 4 % SIZE));
	(void)memory_le16_put(&memory, GPA(AVAIL(n) + 2), (uint16_t)(listed + 1));
	require(q->taken <= q->size, "no more chains are out than descriptors");
}

static void port_serve(struct input *in)
{
	host.takes = (size_t)input_bytes(in, 2);
	host.gives = input_bytes(in, 2) % (2 * CONSOLE_PIECE);
	host.resets = input_byte(in) & 1;
	memcpy(before, memory.ram, RAM_SIZE);
	(void)console_port_serve(&port);
	require(device.status || memcmp(before, memory.ram, RAM_SIZE) == 0,
		"after a reset memory is the driver's");
}

static void viewer_types(struct input *in)
{
	uint8_t keys[64] = {0};

	lock_take(&lock);
	const size_t room = console_port_room(&port);
	require(!room || port.reads, "who does not read has no room");
	console_port_receive(&port, keys, (size_t)min_u64(room, input_byte(in) % sizeof(keys)));
	lock_drop(&lock);
}

static void control_check(void)
{
	static const struct console_control_port none;

	for (unsigned i = 0; i < control.port_count; i++)
		require(control.ports[i].ready ||
				!(control.ports[i].due & ~(1U << VIRTIO_CONSOLE_PORT_ADD)),
			"only a port that is known has news");
	for (unsigned i = control.port_count; i < CONSOLE_PORTS_MAX; i++)
		require(memcmp(&control.ports[i], &none, sizeof(none)) == 0,
			"a port that is not there is left alone");
}

static void control_message(struct input *in)
{
	const size_t len = input_byte(in) % 17;
	const uint64_t misdeeds = control.misdeeds;
	uint8_t *bytes = malloc(len ? len : 1);

	for (size_t i = 0; i < len; i++)
		bytes[i] = input_byte(in);
	console_control_take(&control, bytes, len);
	require(control.misdeeds - misdeeds <= 1, "a message is one");
	require(len >= 8 || control.misdeeds == misdeeds + 1, "a short one makes no sense");
	free(bytes);
	control_check();
}

static void control_hear(void)
{
	uint8_t message[CONSOLE_MESSAGE_MAX];
	unsigned count = 0;
	size_t len;

	while ((len = console_control_next(&control, message))) {
		const uint16_t event = le16_get(message + 4);
		require(len >= 8 && len <= sizeof(message), "a message has its length");
		require(le32_get(message) < control.port_count, "of a port that is there");
		require(event == VIRTIO_CONSOLE_PORT_NAME || len == 8, "only a name has more");
		require(event == VIRTIO_CONSOLE_PORT_ADD || control.ports[le32_get(message)].ready,
			"only of a port that the driver knows");
		require(++count <= 3 * control.port_count, "there is an end of it");
	}
	require(!console_control_is_due(&control), "then nothing is due");
}

static void any_step(struct input *in)
{
	switch (input_byte(in) & 15) {
	case 0:
		virtio_reset(&device);
		control_check();
		require(!console_control_is_due(&control), "a new driver is told nothing unasked");
		break;
	case 1:
		device_go(in);
		break;
	case 2:
		driver_write(in);
		break;
	case 3:
		viewer_types(in);
		break;
	case 4:
		console_control_connect(
			&control, input_byte(in) % control.port_count, input_byte(in) & 1);
		break;
	case 5:
		control_hear();
		break;
	case 6:
		console_control_begin_single(&control);
		break;
	case 7:
	case 8:
		driver_list(in, 0);
		break;
	case 9:
	case 10:
		driver_list(in, 1);
		break;
	case 11:
	case 12:
		port_serve(in);
		break;
	default:
		control_message(in);
		break;
	}
}

/* A doorbell rings, once for each time or more, until it is muted. */
static unsigned rung;

static void on_bell(struct loop_source *s, uint32_t events)
{
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	rung++;
}

static void bell_check(void)
{
	static struct loop loop = LOOP_NONE;
	struct console_bell bell = {.source.fd = -1};
	const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	console_bell_ring(&bell);
	console_bell_close(&bell);
	require(loop_init(&loop, NULL) == 0, "there is a loop");
	require(console_bell_watch(&bell, &loop, fd, on_bell), "a bell is watched");
	require(!console_bell_watch(&(struct console_bell){0}, &loop, -1, on_bell), "none is not");
	console_bell_ring(&bell);
	console_bell_mute(&bell);
	console_bell_close(&bell);
	require(rung == 0, "a bell that is muted is not heard");
	(void)close(fd);
	loop_fini(&loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	memory_clear();
	if (!transport.interrupt)
		bell_check();
	transport = (struct virtio_transport){
		.interrupt = nothing_interrupts, .changed = nothing_changes};
	virtio_init(&device, &ops, "fuzz", &memory);
	device.misdeeds.count = LOG_GUEST_LINES; /* quiet */
	device.transport = &transport;
	device.lock = &lock;
	host.end =
		(struct console_end){.send = host_send, .receive = host_receive, .want = host_want};
	port = (struct console_port){
		.device = &device, .in = 0, .out = 1, .end = &host.end, .heard = guest_heard};
	control = (struct console_control){.port_count = 1 + input_byte(&in) % CONSOLE_PORTS_MAX};
	for (unsigned i = 0; i < control.port_count; i++)
		control.ports[i].name = i & 1 ? "agent" : "";
	fifo.first = fifo.count = 0;
	for (unsigned i = 0; in.at < in.end && i < STEPS_MAX; i++)
		any_step(&in);
	return 0;
}
