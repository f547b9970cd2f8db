/* SPDX-License-Identifier: MIT */
/* A virtio-vsock that usher-vmm serves: its driver, which may be hostile, and unix sockets. */
#include "virtio_rig.h"
#include "vmm/keeper.h"
#include "vmm/virtio/vsock_streams.h"
#include "wire/call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_vsock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RX 0
#define TX 1
#define CID 7
#define STEP KIB(64)
#define DATA(n, i) (MIB(9) + (n)*MIB(2) + ((i) % RING_SIZE) * STEP)
#define HEADER 44
#define BASICS BIT64(VIRTIO_F_VERSION_1)
#define GUEST_ROOM 100000

static char home[] = "/tmp/usher-vsock-XXXXXX";
static char path[64];
static unsigned received; /* packets that the driver has looked at */
static uint8_t bytes[2 * VSOCK_ROOM];

static struct {
	unsigned calls;
	uint32_t port;
	int result;
	int end; /* of the host's program */
} host;

static int keeper_answer(struct keeper *k, struct wire_call *call, int *ret_fd)
{
	int ends[2];

	ck_assert_uint_eq(call->header.kind, WIRE_LEND_SOCKET);
	host.port = (uint32_t)call->group;
	if (host.result == 0) {
		ck_assert_int_eq(
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
			0);
		host.end = ends[0];
		*ret_fd = ends[1];
	}
	(void)__atomic_add_fetch(&host.calls, 1, __ATOMIC_RELEASE);
	return host.result;
}

static const struct keeper_ops keeper_lends = {.call = keeper_answer};

static int door_open(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_ptr_nonnull(mkdtemp(home));
	(void)snprintf(path, sizeof(path), "%s/door", home);
	memcpy(a.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 200), 0);
	return fd;
}

static int host_connect(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(a.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void driver_set_up(void)
{
	features_accept(BASICS);
	for (unsigned n = 0; n < 3; n++) {
		queue_place(n);
		queue_enable(n);
	}
	driver_go();
	received = 0;
}

static void start(void)
{
	machine_describe("vsock");
	spec.virtio_count = 1;
	spec.virtio[0] = (struct virtio_spec){
		.type = VIRTIO_TYPE_VSOCK, .fd = door_open(), .cid = CID, .listens = true};
	memset(&host, 0, sizeof(host));
	machine_start();
	machine.keeper.ops = &keeper_lends;
	device_choose(1, VIRTIO_TYPE_VSOCK);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, 0, 4), CID);
	driver_set_up();
}

static void finish(void)
{
	machine_finish();
	(void)unlink(path);
	(void)rmdir(home);
	memcpy(home + sizeof(home) - 7, "XXXXXX", 6);
}

/* Buffers for packets of the device. */
static void buffers_list(unsigned count, uint32_t size)
{
	for (unsigned i = 0; i < count; i++) {
		const unsigned k = listed[RX] % RING_SIZE;
		descriptor_put(RX, k, DATA(RX, listed[RX]), size, VRING_DESC_F_WRITE, 0);
		head_list(RX, k);
	}
	ring(RX);
}

static struct virtio_vsock_hdr header_of(unsigned op, uint32_t guest_port, uint32_t host_port)
{
	return (struct virtio_vsock_hdr){.src_cid = CID,
		.dst_cid = 2,
		.src_port = guest_port,
		.dst_port = host_port,
		.type = 1,
		.op = (uint16_t)op,
		.buf_alloc = GUEST_ROOM};
}

static void packet_send(struct virtio_vsock_hdr h, const void *payload, uint32_t size)
{
	const unsigned k = listed[TX] % RING_SIZE;
	const uint64_t at = DATA(TX, listed[TX]);

	h.len = size;
	memory_put(at, &h, sizeof(h));
	if (size)
		memory_put(at + HEADER, payload, size);
	descriptor_put(TX, k, at, HEADER + size, 0, 0);
	head_list(TX, k);
	ring(TX);
}

static void op_send(unsigned op, uint32_t guest_port, uint32_t host_port)
{
	packet_send(header_of(op, guest_port, host_port), NULL, 0);
}

/* The next packet of the device, whose payload goes into `bytes`. */
static struct virtio_vsock_hdr packet_next(void)
{
	struct virtio_vsock_hdr h;

	serve();
	ck_assert_uint_gt(used_index(RX), received);
	const uint64_t at = DATA(RX, received);
	ck_assert_int_eq(memory_read(&machine.vm.memory, GPA(at), &h, sizeof(h)), 0);
	ck_assert_uint_eq(used_size(RX, received), HEADER + h.len);
	ck_assert_uint_eq(h.src_cid, 2);
	ck_assert_uint_eq(h.dst_cid, CID);
	ck_assert_int_eq(memory_read(&machine.vm.memory, GPA(at + HEADER), bytes, h.len), 0);
	received++;
	return h;
}

static struct virtio_vsock_hdr packet_expect(unsigned op)
{
	const struct virtio_vsock_hdr h = packet_next();

	ck_assert_uint_eq(h.op, op);
	return h;
}

static void nothing_expect(void)
{
	serve();
	ck_assert_uint_eq(used_index(RX), received);
}

static ssize_t host_read(int fd)
{
	return recv(fd, bytes, sizeof(bytes), 0);
}

/* A program of the host connects to port 22. Return: its end. */
static int host_call(uint32_t *ret_port)
{
	int fd = host_connect();

	serve();
	ck_assert_int_eq(send(fd, "CONNECT 22\n", 11, 0), 11);
	const struct virtio_vsock_hdr h = packet_expect(VIRTIO_VSOCK_OP_REQUEST);
	ck_assert_uint_eq(h.dst_port, 22);
	ck_assert_uint_eq(h.type, 1);
	ck_assert_uint_eq(h.buf_alloc, VSOCK_ROOM);
	*ret_port = h.src_port;
	return fd;
}

static void calls_await(unsigned count)
{
	for (unsigned ms = 0; __atomic_load_n(&host.calls, __ATOMIC_ACQUIRE) < count; ms++) {
		ck_assert_uint_lt(ms, 10000);
		(void)usleep(1000);
	}
	/* The worker gives the connection to the device after a pause. */
	for (unsigned ms = 0; used_index(RX) == received; ms++) {
		serve();
		ck_assert_uint_lt(ms, 10000);
		(void)usleep(1000);
	}
}

/* A program of the guest connects from port 1000 to port 5000. */
static void guest_call(void)
{
	const unsigned calls = host.calls;

	op_send(VIRTIO_VSOCK_OP_REQUEST, 1000, 5000);
	calls_await(calls + 1);
	const struct virtio_vsock_hdr h = packet_expect(VIRTIO_VSOCK_OP_RESPONSE);
	ck_assert_uint_eq(h.src_port, 5000);
	ck_assert_uint_eq(h.dst_port, 1000);
	serve();
}

START_TEST(the_host_calls_the_guest)
{
	char answer[64];
	uint32_t port;

	start();
	buffers_list(8, 4096);
	const int fd = host_call(&port);
	ck_assert_int_lt(host_read(fd), 0);
	op_send(VIRTIO_VSOCK_OP_RESPONSE, 22, port);
	(void)snprintf(answer, sizeof(answer), "OK %u\n", port);
	ck_assert_int_eq(host_read(fd), (ssize_t)strlen(answer));
	ck_assert_mem_eq(bytes, answer, strlen(answer));
	ck_assert_int_eq(send(fd, "hello", 5, 0), 5);
	struct virtio_vsock_hdr h = packet_expect(VIRTIO_VSOCK_OP_RW);
	ck_assert_uint_eq(h.len, 5);
	ck_assert_mem_eq(bytes, "hello", 5);
	packet_send(header_of(VIRTIO_VSOCK_OP_RW, 22, port), "world", 5);
	ck_assert_int_eq(host_read(fd), 5);
	ck_assert_mem_eq(bytes, "world", 5);
	/* Half of it ends, and then the whole. */
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	h = packet_expect(VIRTIO_VSOCK_OP_SHUTDOWN);
	ck_assert_uint_eq(h.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	packet_send(header_of(VIRTIO_VSOCK_OP_RW, 22, port), "more", 4);
	ck_assert_int_eq(host_read(fd), 4);
	h = header_of(VIRTIO_VSOCK_OP_SHUTDOWN, 22, port);
	h.flags = VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND;
	packet_send(h, NULL, 0);
	(void)packet_expect(VIRTIO_VSOCK_OP_RST);
	ck_assert_int_eq(host_read(fd), 0);
	(void)close(fd);
	finish();
}
END_TEST

START_TEST(the_guest_calls_the_host)
{
	start();
	buffers_list(8, 4096);
	guest_call();
	ck_assert_uint_eq(host.port, 5000);
	packet_send(header_of(VIRTIO_VSOCK_OP_RW, 1000, 5000), "hello", 5);
	ck_assert_int_eq(host_read(host.end), 5);
	ck_assert_int_eq(send(host.end, "world", 5, 0), 5);
	ck_assert_uint_eq(packet_expect(VIRTIO_VSOCK_OP_RW).len, 5);
	/* What the host has sent before its end arrives before that. */
	ck_assert_int_eq(send(host.end, "end", 3, 0), 3);
	(void)close(host.end);
	ck_assert_uint_eq(packet_expect(VIRTIO_VSOCK_OP_RW).len, 3);
	ck_assert_uint_eq(packet_expect(VIRTIO_VSOCK_OP_SHUTDOWN).flags,
		VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND);
	op_send(VIRTIO_VSOCK_OP_RST, 1000, 5000);
	nothing_expect();
	/* Nobody listens there. */
	host.result = -ENOENT;
	op_send(VIRTIO_VSOCK_OP_REQUEST, 1000, UINT32_MAX);
	calls_await(2);
	ck_assert_uint_eq(host.port, UINT32_MAX);
	ck_assert_uint_eq(packet_expect(VIRTIO_VSOCK_OP_RST).src_port, UINT32_MAX);
	finish();
}
END_TEST

/* The line that says to which port: in pieces, with bytes behind it, and wrong. */
START_TEST(a_door_takes_one_line)
{
	static const char *const wrong[] = {"\n", "CONNECT\n", "CONNECT \n", "CONNECT -1\n",
		"CONNECT 4294967296\n", "CONNECT 22 \n", "connect 22\n", "CONNECT 0x16\n",
		"GET / HTTP/1.1\r\nHost: nobody at all\n", "CONNECT 22\r\n"};
	uint32_t port;

	start();
	buffers_list(8, 4096);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		const int fd = host_connect();
		serve();
		(void)send(fd, wrong[i], strlen(wrong[i]), 0);
		nothing_expect();
		ck_assert_int_eq(host_read(fd), errno == ECONNRESET ? -1 : 0);
		(void)close(fd);
	}
	int fd = host_connect();
	(void)send(fd, "CONN", 4, 0);
	nothing_expect();
	(void)send(fd, "ECT 22", 6, 0);
	nothing_expect();
	(void)send(fd, "\nbytes", 6, 0);
	port = packet_expect(VIRTIO_VSOCK_OP_REQUEST).src_port;
	nothing_expect();
	op_send(VIRTIO_VSOCK_OP_RESPONSE, 22, port);
	ck_assert_uint_eq(packet_expect(VIRTIO_VSOCK_OP_RW).len, 5);
	ck_assert_mem_eq(bytes, "bytes", 5);
	ck_assert_int_gt(host_read(fd), 0);
	(void)close(fd);
	(void)packet_expect(VIRTIO_VSOCK_OP_SHUTDOWN);
	/* One that leaves before the guest has answered. */
	fd = host_call(&port);
	(void)close(fd);
	ck_assert_uint_eq(packet_expect(VIRTIO_VSOCK_OP_RST).src_port, port);
	/* The guest does not want it. */
	fd = host_call(&port);
	op_send(VIRTIO_VSOCK_OP_RST, 22, port);
	ck_assert_int_eq(host_read(fd), 0);
	(void)close(fd);
	finish();
}
END_TEST

static void pattern_fill(uint8_t *to, size_t size, size_t from)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)((from + i) * 7 + (from + i) / 251);
}

/* The host reads nothing: as much is kept as the guest may send, in order, and no byte more. */
START_TEST(a_slow_host_costs_a_bounded_room)
{
	static uint8_t part[16384], expected[16384];
	struct virtio_vsock_hdr h;
	size_t sent = 0, read = 0;
	const int small = 4096;
	uint32_t taken = 0;

	start();
	buffers_list(RING_SIZE, 4096);
	guest_call();
	(void)setsockopt(host.end, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	/* An honest guest: it sends what there is credit for. */
	for (unsigned turn = 0; sent < MIB(1) && turn < 10000; turn++) {
		const size_t step = sizeof(part);
		if (sent - taken + step <= VSOCK_ROOM) {
			pattern_fill(part, step, sent);
			packet_send(
				header_of(VIRTIO_VSOCK_OP_RW, 1000, 5000), part, (uint32_t)step);
			sent += step;
			continue;
		}
		ssize_t got = recv(host.end, part, 5000, 0);
		ck_assert_int_gt(got, 0);
		pattern_fill(expected, (size_t)got, read);
		ck_assert_mem_eq(part, expected, (size_t)got);
		read += (size_t)got;
		serve();
		while (used_index(RX) != (uint16_t)received) {
			h = packet_expect(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
			ck_assert_uint_le(h.fwd_cnt, sent);
			taken = h.fwd_cnt;
			buffers_list(1, 4096);
		}
	}
	ck_assert_uint_ge(sent, MIB(1));
	/* What the driver asks for is answered at once. */
	op_send(VIRTIO_VSOCK_OP_CREDIT_REQUEST, 1000, 5000);
	taken = packet_expect(VIRTIO_VSOCK_OP_CREDIT_UPDATE).fwd_cnt;
	/* One that sends more. */
	for (unsigned i = 0; i < 64; i++)
		packet_send(header_of(VIRTIO_VSOCK_OP_RW, 1000, 5000), part, sizeof(part));
	while (packet_next().op != VIRTIO_VSOCK_OP_RST)
		continue;
	(void)close(host.end);
	finish();
}
END_TEST

/* The host sends without end: it waits in its socket for buffers and credit. */
START_TEST(a_slow_guest_holds_its_peer)
{
	static uint8_t part[4096];
	struct virtio_vsock_hdr h = header_of(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 1000, 5000);
	uint32_t came = 0;
	ssize_t step;
	size_t sent = 0;

	start();
	buffers_list(1, 4096);
	guest_call();
	do {
		pattern_fill(part, sizeof(part), sent);
		step = send(host.end, part, sizeof(part), 0);
		sent += step > 0 ? (size_t)step : 0;
	} while (step == sizeof(part));
	nothing_expect();
	/* Buffers of odd sizes, until the credit ends. */
	for (unsigned turn = 0; turn < 1000 && came < GUEST_ROOM; turn++) {
		buffers_list(1, HEADER + 1 + turn * 13 % 4000);
		const uint32_t size = packet_expect(VIRTIO_VSOCK_OP_RW).len;
		pattern_fill(part, size, came);
		ck_assert_mem_eq(bytes, part, size);
		came += size;
	}
	ck_assert_uint_eq(came, GUEST_ROOM);
	buffers_list(1, 4096);
	nothing_expect();
	h.fwd_cnt = 10;
	packet_send(h, NULL, 0);
	ck_assert_uint_eq(packet_expect(VIRTIO_VSOCK_OP_RW).len, 10);
	came += 10;
	buffers_list(1, 4096);
	nothing_expect();
	h.fwd_cnt = came;
	packet_send(h, NULL, 0);
	ck_assert_uint_gt(packet_expect(VIRTIO_VSOCK_OP_RW).len, 0);
	/* A guest that has taken more than it got has no credit. */
	h.fwd_cnt = came + GUEST_ROOM * 2;
	packet_send(h, NULL, 0);
	buffers_list(1, 4096);
	nothing_expect();
	(void)close(host.end);
	finish();
}
END_TEST

/* Packets that belong to nothing: an answer for each that may have one, and nothing else. */
START_TEST(packets_that_belong_to_nothing_are_refused)
{
	struct virtio_vsock_hdr rows[] = {
		header_of(VIRTIO_VSOCK_OP_RESPONSE, 1, 2), header_of(VIRTIO_VSOCK_OP_RW, 1, 2),
		header_of(VIRTIO_VSOCK_OP_SHUTDOWN, 1, 2),
		header_of(VIRTIO_VSOCK_OP_CREDIT_REQUEST, 1, 2), header_of(0, 1, 2),
		header_of(77, 1, 2), header_of(VIRTIO_VSOCK_OP_REQUEST, 1, 2), /* of another type */
		header_of(VIRTIO_VSOCK_OP_REQUEST, 1, 2), /* to another host */
	};

	start();
	buffers_list(RING_SIZE, 4096);
	rows[6].type = 2;
	rows[7].dst_cid = 3;
	for (size_t i = 0; i < COUNT(rows); i++) {
		packet_send(rows[i], NULL, 0);
		struct virtio_vsock_hdr h = header_of(0, 0, 0);
		serve();
		ck_assert_uint_eq(used_index(RX), i + 1);
		ck_assert_int_eq(
			memory_read(&machine.vm.memory, GPA(DATA(RX, i)), &h, sizeof(h)), 0);
		ck_assert_uint_eq(h.op, VIRTIO_VSOCK_OP_RST);
		ck_assert_uint_eq(h.type, rows[i].type);
		ck_assert_uint_eq(h.src_cid, rows[i].dst_cid);
		ck_assert_uint_eq(h.dst_port, 1);
		received++;
	}
	op_send(VIRTIO_VSOCK_OP_RST, 1, 2);
	struct virtio_vsock_hdr other = header_of(VIRTIO_VSOCK_OP_REQUEST, 1, 2);
	other.src_cid = 8;
	packet_send(other, NULL, 0);
	/* A payload that is not there, and a chain that is no packet. */
	other = header_of(VIRTIO_VSOCK_OP_RW, 1, 2);
	other.len = 10;
	memory_put(DATA(TX, 0), &other, sizeof(other));
	descriptor_put(TX, listed[TX] % RING_SIZE, DATA(TX, 0), HEADER, 0, 0);
	head_list(TX, listed[TX] % RING_SIZE);
	ring(TX);
	descriptor_put(TX, listed[TX] % RING_SIZE, DATA(TX, 0), 7, 0, 0);
	head_list(TX, listed[TX] % RING_SIZE);
	ring(TX);
	nothing_expect();
	ck_assert_uint_eq(used_index(TX), listed[TX]);
	ck_assert_uint_eq(host.calls, 0);
	finish();
}
END_TEST

/* Without buffers, answers pile up to a bound: then the guest's packets wait. */
START_TEST(a_flood_of_packets_waits)
{
	const unsigned count = VSOCK_REPLIES_MAX + RING_SIZE / 2;

	start();
	for (unsigned i = 0; i < count; i++)
		op_send(VIRTIO_VSOCK_OP_RW, i + 1, 2);
	ck_assert_uint_eq(used_index(TX), VSOCK_REPLIES_MAX);
	for (unsigned i = 0; i < count; i++) {
		buffers_list(1, 4096);
		ck_assert_uint_eq(packet_expect(VIRTIO_VSOCK_OP_RST).dst_port, i + 1);
	}
	ck_assert_uint_eq(used_index(TX), count);
	nothing_expect();
	finish();
}
END_TEST

/* All that a guest and programs of the host can open is a bounded number of connections. */
START_TEST(connections_have_a_number)
{
	static int ends[VSOCK_STREAMS_MAX];
	unsigned refused = 0;

	start();
	host.result = -ENOENT;
	for (unsigned i = 0; i < VSOCK_DOORS_MAX + 4; i++) {
		ends[i] = host_connect();
		serve();
		refused += host_read(ends[i]) == 0;
	}
	ck_assert_uint_eq(refused, 4);
	for (unsigned i = 0; i < VSOCK_DOORS_MAX + 4; i++)
		(void)close(ends[i]);
	serve();
	/* The guest takes no packet, so each is there still, as one that is to be refused. */
	for (unsigned i = 0; i < VSOCK_STREAMS_MAX + 5; i++)
		op_send(VIRTIO_VSOCK_OP_REQUEST, i, 5000);
	buffers_list(5, 4096);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_uint_eq(
			packet_expect(VIRTIO_VSOCK_OP_RST).dst_port, VSOCK_STREAMS_MAX + i);
	finish();
}
END_TEST

/* A new driver knows none of the old one's connections, and their programs learn that. */
START_TEST(a_reset_closes_all)
{
	uint32_t port;

	start();
	buffers_list(8, 4096);
	guest_call();
	const int fd = host_call(&port);
	op_send(VIRTIO_VSOCK_OP_RESPONSE, 22, port);
	ck_assert_int_gt(host_read(fd), 0);
	reset();
	const int late = host_connect(); /* nobody is there */
	serve();
	ck_assert_int_eq(host_read(late), 0);
	ck_assert_int_eq(host_read(fd), 0);
	ck_assert_int_eq(host_read(host.end), 0);
	driver_set_up();
	buffers_list(8, 4096);
	nothing_expect();
	op_send(VIRTIO_VSOCK_OP_RW, 22, port);
	(void)packet_expect(VIRTIO_VSOCK_OP_RST);
	guest_call();
	(void)close(host.end);
	(void)close(fd);
	(void)close(late);
	finish();
}
END_TEST

/* A buffer that holds no byte, and one that is nowhere, are the driver's end. */
START_TEST(a_buffer_for_nothing_breaks_the_device)
{
	static const struct {
		uint64_t at;
		uint32_t size;
	} rows[] = {{DATA(RX, 0), HEADER}, {GIB(64), 4096}, {DATA(RX, 0), 8}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		start();
		descriptor_put(RX, 0, rows[i].at, rows[i].size, VRING_DESC_F_WRITE, 0);
		head_list(RX, 0);
		ring(RX);
		op_send(VIRTIO_VSOCK_OP_RW, 1, 2);
		serve();
		ck_assert(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_NEEDS_RESET);
		reset();
		driver_set_up();
		buffers_list(1, 4096);
		op_send(VIRTIO_VSOCK_OP_RW, 1, 2);
		(void)packet_expect(VIRTIO_VSOCK_OP_RST);
		finish();
	}
}
END_TEST

RIG_SUITE("virtio_vsock", the_host_calls_the_guest, the_guest_calls_the_host, a_door_takes_one_line,
	a_slow_host_costs_a_bounded_room, a_slow_guest_holds_its_peer,
	packets_that_belong_to_nothing_are_refused, a_flood_of_packets_waits,
	connections_have_a_number, a_reset_closes_all, a_buffer_for_nothing_breaks_the_device)
