/* SPDX-License-Identifier: MIT */
/*
 * Packets of a driver, and programs of the host that connect, write, read and leave, in any order.
 * Input: steps: a byte for what happens, and what that needs.
 *
 * covers: src/vmm/virtio/vsock_packet.c src/vmm/virtio/vsock_stream.c
 * covers: src/vmm/virtio/vsock_streams.c
 */
#include "base/endian.h"
#include "base/num.h"
#include "input.h"
#include "require.h"
#include "vmm/copy.h"
#include "vmm/memory.h"
#include "vmm/virtio/queue.h"
#include "vmm/virtio/vsock_streams.h"

#include <errno.h>
#include <linux/virtio_vsock.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAM_SIZE UINT64_C(0x40000)
#define CID 7
#define STEPS_MAX 64
#define PEERS 8
#define PARTS 3

static struct memory memory = MEMORY_NONE;
static struct virtq queue = {.memory = &memory};
static struct virtq_chain chain;
static struct loop loop = LOOP_NONE;
static struct vsock_streams streams;
static int peers[PEERS];
static unsigned peer_count;

static void socket_ready(struct loop_source *s, uint32_t events)
{
	(void)s;
	(void)events;
}

static void world_start(void)
{
	if (!memory.ram) {
		struct memory_range r = {.size = RAM_SIZE, .kind = MEMORY_RAM};
		require(memory_init(&memory, RAM_SIZE, MEMORY_PRIVATE, NULL) == 0, "there is RAM");
		r.host = memory.ram;
		require(memory_add(&memory, &r, NULL) == 0, "RAM is in the guest");
		require(loop_init(&loop, NULL) == 0, "there is a loop");
	}
	memset(memory.ram, 0x5a, RAM_SIZE);
	vsock_streams_init(&streams, &loop, CID, socket_ready, NULL);
	peer_count = 0;
}

/* A few parts, mostly in RAM. @in: the device writes them. */
static void chain_make(struct input *in, bool writes)
{
	const unsigned count = 1 + input_byte(in) % PARTS;

	chain = (struct virtq_chain){.part_count = count, .out_count = writes ? 0 : count};
	for (unsigned i = 0; i < count; i++) {
		const uint8_t kind = input_byte(in);
		const uint64_t at = kind == 0xff ? input_number(in) : (uint64_t)kind << 8;
		const uint32_t size = kind & 1 ? (uint32_t)input_bytes(in, 2) : 64U + kind;
		chain.parts[i] = (struct virtq_part){GPA(at), size};
		*(writes ? &chain.in_size : &chain.out_size) += size;
	}
}

/* Numbers are small: so packets meet connections. */
static void header_put(struct input *in)
{
	const uint8_t odd = input_byte(in);
	const struct virtio_vsock_hdr h = {.src_cid = htole64(odd & 1 ? input_number(in) : CID),
		.dst_cid = htole64(odd & 2 ? input_number(in) : VSOCK_CID_HOST),
		.src_port = htole32(input_byte(in) & 3),
		.dst_port =
			htole32(odd & 4 ? (1U << 30) + (input_byte(in) & 3) : input_byte(in) & 3U),
		.len = htole32(odd & 8 ? (uint32_t)input_number(in)
				       : (uint32_t)(chain.out_size -
						    min_u64(chain.out_size, VSOCK_HEADER))),
		.type = htole16(odd & 16 ? input_byte(in) : VSOCK_TYPE_STREAM),
		.op = htole16(input_byte(in) & 15),
		.flags = htole32(input_byte(in)),
		.buf_alloc = htole32(odd & 32 ? (uint32_t)input_number(in) : 4096),
		.fwd_cnt = htole32(odd & 64 ? (uint32_t)input_number(in) : 0)};

	(void)memory_write(&memory, chain.parts[0].gpa, &h, sizeof(h));
}

static void driver_sends(struct input *in)
{
	struct vsock_packet p;

	chain_make(in, false);
	header_put(in);
	if (!vsock_streams_has_room(&streams) || vsock_packet_read(&queue, &chain, &p) < 0)
		return;
	require(p.size <= chain.out_size - VSOCK_HEADER, "a payload lies in its chain");
	vsock_streams_take(&streams, &p, &queue, &chain);
}

static void driver_takes(struct input *in)
{
	static struct vsock_packet p;
	uint32_t credit[VSOCK_STREAMS_MAX], sent[VSOCK_STREAMS_MAX];

	chain_make(in, true);
	for (unsigned i = 0; i < VSOCK_STREAMS_MAX; i++) {
		credit[i] = vsock_stream_credit(&streams.list[i]);
		sent[i] = streams.list[i].sent;
	}
	const int64_t size = vsock_streams_give(&streams, &queue, &chain);
	require(size == -EFAULT || size == 0 || size >= VSOCK_HEADER, "a packet has a header");
	require(size <= (int64_t)chain.in_size, "a packet lies in its chain");
	for (unsigned i = 0; i < VSOCK_STREAMS_MAX; i++)
		require(streams.list[i].state == VSOCK_FREE ||
				streams.list[i].sent - sent[i] <= credit[i],
			"the guest gets what it has room for");
	if (size <= 0)
		return;
	chain.out_size = chain.in_size;
	chain.out_count = chain.part_count;
	require(vsock_packet_read(&queue, &chain, &p) == 0 || chain.part_count > 1,
		"the guest can read it");
}

static void host_comes(void)
{
	int ends[2];

	if (peer_count < PEERS && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0) {
		peers[peer_count] = ends[0];
		peer_count += vsock_streams_admit(&streams, ends[1]);
	}
}

static void keeper_answers(struct input *in)
{
	struct vsock_stream *s = vsock_streams_calling(&streams);
	const uint8_t kind = input_byte(in);
	int ends[2] = {-1, -ENOENT};

	if (!s)
		return;
	require(s->state == VSOCK_CALLING, "the guest waits for it");
	if (kind & 1 && peer_count < PEERS &&
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0)
		peers[peer_count++] = ends[0];
	vsock_streams_called(&streams, s, s->ticket - (kind == 7), ends[1]);
}

static void host_writes(struct input *in)
{
	static const char line[] = "CONNECT 1\n";
	static uint8_t bytes[256];
	const uint8_t kind = input_byte(in);

	if (!peer_count)
		return;
	const int fd = peers[kind % peer_count];
	if (kind & 0x80) {
		(void)send(fd, line, sizeof(line) - 1, MSG_NOSIGNAL);
	} else if (kind & 0x40) {
		for (unsigned i = 0; i < 8; i++)
			bytes[i] = input_byte(in);
		(void)send(fd, bytes, 8, MSG_NOSIGNAL);
	} else {
		(void)send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
	}
}

static void host_reads(struct input *in)
{
	static uint8_t bytes[65536];

	if (peer_count)
		(void)recv(peers[input_byte(in) % peer_count], bytes, input_bytes(in, 2), 0);
}

static void host_leaves(struct input *in)
{
	static const int ways[] = {SHUT_RD, SHUT_WR, SHUT_RDWR};
	const uint8_t kind = input_byte(in);

	if (peer_count)
		(void)shutdown(peers[kind % peer_count], ways[kind / 64 % 3]);
}

static void loop_reports(struct input *in)
{
	static const uint32_t events[] = {EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT,
		EPOLLIN | EPOLLRDHUP, EPOLLHUP | EPOLLIN, EPOLLERR};
	const uint8_t kind = input_byte(in);

	vsock_streams_notice(&streams, &streams.list[kind & 7], events[kind / 8 % COUNT(events)]);
}

static void require_bounds(void)
{
	require(streams.reply_count <= VSOCK_REPLIES_MAX, "answers have a number");
	for (unsigned i = 0; i < VSOCK_STREAMS_MAX; i++) {
		const struct vsock_stream *s = &streams.list[i];
		require(s->kept_count <= VSOCK_ROOM && s->kept_start < VSOCK_ROOM,
			"what is kept has room");
		require(s->state != VSOCK_OPEN || s->received - s->delivered == s->kept_count,
			"what has not left is kept");
		require(s->state == VSOCK_OPEN || s->state == VSOCK_DOOR ||
				s->state == VSOCK_ASKED || s->source.fd < 0,
			"a connection that is none has no socket");
	}
}

static void any_step(struct input *in)
{
	const uint8_t step = input_byte(in);

	switch (step & 15) {
	case 0:
		vsock_streams_close(&streams);
		break;
	case 1:
		host_comes();
		break;
	case 2:
		host_leaves(in);
		break;
	case 3:
	case 4:
		host_writes(in);
		break;
	case 5:
		host_reads(in);
		break;
	case 6:
	case 7:
		loop_reports(in);
		break;
	case 8:
	case 9:
		keeper_answers(in);
		break;
	case 10:
	case 11:
		driver_takes(in);
		break;
	default:
		driver_sends(in);
		break;
	}
	(void)vsock_streams_wants(&streams);
	require_bounds();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	world_start();
	for (unsigned i = 0; in.at < in.end && i < STEPS_MAX; i++)
		any_step(&in);
	vsock_streams_close(&streams);
	for (unsigned i = 0; i < peer_count; i++)
		(void)close(peers[i]);
	return 0;
}
