/* SPDX-License-Identifier: MIT */
/*
 * A network card whose driver and whose other end send what they like. Input: features and the kind
 * of line, then steps: a byte for what happens, and what that needs.
 *
 * covers: src/vmm/virtio/net_copy.c src/vmm/virtio/net_header.c src/vmm/virtio/net_ctrl.c
 * covers: src/vmm/virtio/net_line.c src/vmm/virtio/net_batch.c src/vmm/virtio/net_filter.c
 * covers: src/vmm/virtio/net_handshake.c
 */
#include "base/bits.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/num.h"
#include "input.h"
#include "require.h"
#include "vmm/copy.h"
#include "vmm/memory.h"
#include "vmm/virtio/net_copy.h"
#include "vmm/virtio/net_ctrl.h"
#include "vmm/virtio/net_header.h"

#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAM_SIZE UINT64_C(0x40000)
#define SIZE 32 /* of each queue */
#define QUEUES 3
#define CTRL 2
#define RING(n) ((uint64_t)(n)*0x1000) /* descriptors, available at 0x200, used at 0x300 */
#define DATA 0x4000
#define STEPS_MAX 128
#define PAIRS 4
#define GOING                                                                                 \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK)

static struct memory memory = MEMORY_NONE;
static struct virtio_device device;
static struct net_copy copy;
static int peer;
static uint16_t listed[QUEUES], returned[QUEUES];
static uint8_t bytes[2 * NET_STREAM_ROOM];
static uint64_t sent, came; /* [bytes] of a stream */

static void transport_tell(struct virtio_transport *t, unsigned n)
{
	require(n < QUEUES, "a queue interrupts");
}

static void transport_changed(struct virtio_transport *t)
{
	require(device.status & VIRTIO_CONFIG_S_NEEDS_RESET || copy.gone, "something has changed");
}

static struct virtio_transport transport = {
	.interrupt = transport_tell, .changed = transport_changed};
static const struct virtio_ops ops = {
	.name = "virtio-net", .type = VIRTIO_TYPE_NET, .queue_count = QUEUES};

static void memory_clear(void)
{
	if (!memory.ram) {
		const struct memory_range ram = {.size = RAM_SIZE, .kind = MEMORY_RAM};
		struct memory_range r = ram;
		require(memory_init(&memory, RAM_SIZE, MEMORY_PRIVATE, NULL) == 0, "there is RAM");
		r.host = memory.ram;
		require(memory_add(&memory, &r, NULL) == 0, "RAM is in the guest");
	}
	memset(memory.ram, 0, DATA);
}

static void queues_set_up(struct input *in)
{
	const uint8_t how = input_byte(in);

	for (unsigned i = 0; i < QUEUES; i++) {
		struct virtq *q = &device.queues[i];
		virtq_reset(q);
		q->size = SIZE;
		q->event_index = how & 1;
		q->desc = GPA(RING(i));
		q->avail = GPA(RING(i) + 0x200);
		q->used = GPA(RING(i) + 0x300);
		require(virtq_enable(q), "a queue is where it is");
		listed[i] = returned[i] = 0;
	}
	memset(memory.ram, 0, DATA);
	device.accepted = input_bytes(in, 3) | BIT64(VIRTIO_F_VERSION_1);
	device.status = GOING;
	net_copy_reset(&copy);
}

static void card_set_up(struct input *in)
{
	const bool stream = input_byte(in) & 1;
	int ends[2];

	require(socketpair(AF_UNIX, (stream ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_NONBLOCK, 0,
			ends) == 0,
		"there are sockets");
	peer = ends[0];
	virtio_init(&device, &ops, "fuzz", &memory);
	device.transport = &transport;
	copy = (struct net_copy){.device = &device};
	require(net_line_init(&copy.line, ends[1], stream, NULL) == 0, "there is a line");
	sent = came = 0;
	queues_set_up(in);
}

static void desc_put(unsigned n, unsigned i, uint64_t at, uint32_t size, unsigned flags)
{
	const struct vring_desc d = {.addr = htole64(at),
		.len = htole32(size),
		.flags = htole16((uint16_t)flags),
		.next = htole16((uint16_t)((i + 1) % SIZE))};

	(void)memory_write(&memory, GPA(RING(n) + 16 * i), &d, sizeof(d));
}

/* One chain of a few parts. @write: that the device writes. Return: where its first part is. */
static uint64_t chain_list(struct input *in, unsigned n, bool write)
{
	const unsigned parts = 1 + input_byte(in) % 3;
	const unsigned first = (listed[n] * 3U) % SIZE;
	const uint64_t at = DATA + (input_bytes(in, 2) << 2) % (RAM_SIZE - DATA);
	const unsigned flag = write ? VRING_DESC_F_WRITE : 0U;
	uint64_t off = at;

	for (unsigned i = 0; i < parts; i++) {
		const uint8_t kind = input_byte(in);
		const uint32_t size = kind & 0x80 ? (uint32_t)input_bytes(in, 3) : kind;
		const unsigned last = i + 1 == parts;
		desc_put(n, (first + i) % SIZE, off, size,
			(kind == 0x7f ? flag ^ VRING_DESC_F_WRITE : flag) |
				(last ? 0U : VRING_DESC_F_NEXT));
		off += size;
	}
	(void)memory_le16_put(
		&memory, GPA(RING(n) + 0x204 + 2 * (listed[n] % SIZE)), (uint16_t)first);
	(void)memory_le16_put(&memory, GPA(RING(n) + 0x202), ++listed[n]);
	return at;
}

static void header_put(struct input *in, uint8_t *to)
{
	for (unsigned i = 0; i < NET_HEADER; i++)
		to[i] = input_byte(in);
}

/* A frame of IP: its addresses are the input's. Every other one is TCP's SYN,ACK. */
static void driver_sends_ip(struct input *in)
{
	const uint64_t at = chain_list(in, NET_TRANSMIT, false);
	const uint8_t kind = input_byte(in);
	const bool is_v6 = kind & 1, is_answer = kind & 2;
	const unsigned ip = is_v6 ? 40 : 20;
	uint8_t frame[NET_HEADER + 14 + 40 + 20] = {0};
	uint8_t *head = frame + NET_HEADER;

	head[12] = is_v6 ? 0x86 : 0x08;
	head[13] = is_v6 ? 0xdd : 0x00;
	head[14] = is_v6 ? 0x60 : 0x45;
	head[14 + (is_v6 ? 6 : 9)] = is_answer ? 6 : input_byte(in);
	head[is_v6 ? 22 : 26] = input_byte(in);
	head[is_v6 ? 38 : 30] = input_byte(in);
	head[is_v6 ? 53 : 33] = input_byte(in);
	head[14 + ip + 13] = is_answer ? 0x12 : input_byte(in);
	(void)memory_write(&memory, GPA(at), frame, sizeof(frame));
}

static void driver_sends(struct input *in)
{
	const uint64_t at = chain_list(in, NET_TRANSMIT, false);
	uint8_t header[NET_HEADER];

	header_put(in, header);
	(void)memory_write(&memory, GPA(at), header, sizeof(header));
}

/* A frame whose checksum is at its end, or a little behind it. */
static void driver_sends_sum(struct input *in)
{
	const uint32_t size = 88, first = (listed[NET_TRANSMIT] * 3U) % SIZE;
	const uint16_t from = input_byte(in) % 80;
	const struct virtio_net_hdr_v1 h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = htole16(from),
		.csum_offset = htole16((uint16_t)(size - 4 - from + input_byte(in) % 5))};

	(void)memory_write(&memory, GPA(DATA), &h, sizeof(h));
	desc_put(NET_TRANSMIT, first, DATA, NET_HEADER + size, 0);
	(void)memory_le16_put(&memory,
		GPA(RING(NET_TRANSMIT) + 0x204 + 2 * (listed[NET_TRANSMIT] % SIZE)),
		(uint16_t)first);
	(void)memory_le16_put(&memory, GPA(RING(NET_TRANSMIT) + 0x202), ++listed[NET_TRANSMIT]);
}

static bool has_accepted(unsigned bit)
{
	return device.accepted & BIT64(bit);
}

/* What the host's kernel may get from a driver. */
static void require_header(const uint8_t *frame, size_t size)
{
	struct virtio_net_hdr_v1 h;

	require(size >= NET_HEADER + NET_FRAME_MIN, "a frame has a header and addresses");
	require(size <= NET_HEADER + NET_FRAME_MAX, "a frame is no longer than any");
	memcpy(&h, frame, sizeof(h));
	const uint32_t sum = (uint32_t)le16toh(h.csum_start) + le16toh(h.csum_offset);
	require(!(h.flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM), "a driver has no other flag");
	require(!h.flags || has_accepted(VIRTIO_NET_F_CSUM), "a checksum is agreed upon");
	require(!h.flags || sum + 2 <= size - NET_HEADER, "a checksum lies in the frame");
	require(h.num_buffers == 0, "a driver's frame has no number of buffers");
	if (h.gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return;
	require(h.gso_type == VIRTIO_NET_HDR_GSO_TCPV4 ? has_accepted(VIRTIO_NET_F_HOST_TSO4)
						       : has_accepted(VIRTIO_NET_F_HOST_TSO6),
		"segmentation is agreed upon");
	require(h.flags && h.gso_size, "segments have a size and a checksum");
	require(le16toh(h.hdr_len) <= size - NET_HEADER, "headers lie in the frame");
}

/* None that a user-mode network would lead to the host's loopback. */
static void require_target(const uint8_t *frame, uint32_t size)
{
	static const uint8_t zeros[10];

	if (frame[12] == 0x08 && frame[13] == 0x00) {
		require(size >= 34, "a frame has an address");
		require(frame[30] != 127 && frame[30] != 0, "a frame is for this host");
	}
	if (frame[12] == 0x86 && frame[13] == 0xdd) {
		require(size >= 54, "a frame has an address of IPv6");
		require(memcmp(frame + 38, zeros, sizeof(zeros)) != 0, "a frame is for ::1");
	}
}

/* All that came from a stream is frames with their lengths. */
static void require_stream(size_t count)
{
	static uint8_t part[4 + NET_FRAME_MAX];
	static size_t have;

	if (came == 0)
		have = 0;
	came += count;
	for (size_t i = 0; i < count; i++) {
		part[have++] = bytes[i];
		if (have < 4)
			continue;
		const uint32_t length = be32toh(le32_get(part));
		require(length >= NET_FRAME_MIN && length <= NET_FRAME_MAX, "a frame has a size");
		if (have != 4 + length)
			continue;
		require_target(part + 4, length);
		have = 0;
	}
}

static void peer_drains(void)
{
	ssize_t count;

	while ((count = read(peer, bytes, sizeof(bytes))) > 0) {
		if (copy.line.stream)
			require_stream((size_t)count);
		else
			require_header(bytes, (size_t)count);
	}
}

static void peer_sends(struct input *in)
{
	const uint8_t kind = input_byte(in);
	const size_t size = kind & 1 ? input_bytes(in, 2) : input_byte(in);
	size_t head = copy.line.stream ? 4 : NET_HEADER;

	memset(bytes, (int)kind, size + head);
	header_put(in, bytes);
	if (copy.line.stream && kind & 2)
		le32_put(bytes, htobe32((uint32_t)size));
	else if (copy.line.stream)
		head = 0;
	if (size + head)
		(void)send(peer, bytes, size + head, MSG_NOSIGNAL);
}

/* What the driver finds: frames with as many chains as their headers say. */
static void driver_receives(void)
{
	const struct virtq *q = &device.queues[NET_RECEIVE];

	require(copy.frame.size <= NET_FRAME_MAX, "no frame is longer than any");
	require((uint16_t)(q->next_used - returned[NET_RECEIVE]) <= SIZE, "chains were listed");
	returned[NET_RECEIVE] = q->next_used;
	for (unsigned i = 0; i < QUEUES; i++)
		require(device.queues[i].taken == 0 || device.queues[i].broken,
			"no chain stays out");
}

static void wanted_header(struct input *in)
{
	struct virtio_net_hdr_v1 h;
	uint8_t header[NET_HEADER];

	header_put(in, header);
	memcpy(&h, header, sizeof(h));
	const bool wanted = net_header_is_wanted(device.accepted, &h);
	require(!wanted || !h.flags || has_accepted(VIRTIO_NET_F_GUEST_CSUM),
		"a driver sums up what it has not agreed to");
	require(!wanted || h.gso_type == VIRTIO_NET_HDR_GSO_NONE ||
			has_accepted(VIRTIO_NET_F_GUEST_TSO4) ||
			has_accepted(VIRTIO_NET_F_GUEST_TSO6),
		"a driver gets segments as agreed");
	const unsigned offloads = net_header_offloads(device.accepted);
	require(!offloads || offloads & TUN_F_CSUM, "segments have checksums");
}

static void driver_commands(struct input *in)
{
	static struct virtq_chain c;
	struct virtq *q = &device.queues[CTRL];
	const unsigned split = 1 + input_byte(in) % 8;
	const uint64_t at = DATA + input_bytes(in, 2);
	const uint32_t command = (uint32_t)input_bytes(in, 4);
	const unsigned first = (listed[CTRL] * 3U) % SIZE;
	uint8_t ack = 0xee;

	(void)memory_le32_put(&memory, GPA(at & ~UINT64_C(3)), command);
	(void)memory_write(&memory, GPA((at & ~UINT64_C(3)) + 32), &ack, 1);
	desc_put(CTRL, first, at & ~UINT64_C(3), split, VRING_DESC_F_NEXT);
	desc_put(CTRL, (first + 1) % SIZE, (at & ~UINT64_C(3)) + 32, input_byte(in) % 3,
		VRING_DESC_F_WRITE);
	(void)memory_le16_put(
		&memory, GPA(RING(CTRL) + 0x204 + 2 * (listed[CTRL] % SIZE)), (uint16_t)first);
	(void)memory_le16_put(&memory, GPA(RING(CTRL) + 0x202), ++listed[CTRL]);
	while (virtq_take(q, &c) > 0) {
		const unsigned pairs = net_ctrl_parse(q, &c, PAIRS);
		require(pairs <= PAIRS, "a driver uses no more pairs than there are");
		require(!pairs || c.out_size == 4, "a command is whole");
		net_ctrl_answer(q, &c, pairs);
		(void)memory_read(&memory, GPA((at & ~UINT64_C(3)) + 32), &ack, 1);
		require(q->broken || !pairs || !c.in_size || ack == VIRTIO_NET_OK,
			"a command that was obeyed is answered so");
	}
}

static void any_step(struct input *in)
{
	const uint8_t step = input_byte(in);

	switch (step & 15) {
	case 0:
		peer_drains(); /* as was agreed upon then */
		queues_set_up(in);
		break;
	case 1:
		(void)memory_le16_put(&memory, GPA(RING(step >> 4 & 1) + 2 * input_byte(in)),
			(uint16_t)input_bytes(in, 2));
		break;
	case 2:
		(void)shutdown(peer, step & 16 ? SHUT_WR : SHUT_RDWR);
		break;
	case 3:
		copy.down = step & 16;
		break;
	case 4:
		wanted_header(in);
		break;
	case 5:
		driver_commands(in);
		break;
	case 6:
	case 7:
		(void)chain_list(in, NET_RECEIVE, true);
		break;
	case 8:
	case 9:
		peer_sends(in);
		break;
	case 10:
	case 11:
		if (virtio_is_going(&device) && net_copy_has_link(&copy))
			net_copy_receive(&copy);
		driver_receives();
		break;
	case 12:
		if (virtio_is_going(&device))
			net_copy_transmit(&copy);
		break;
	case 13:
		peer_drains();
		break;
	default:
		if (step >> 4 == 9)
			driver_sends_ip(in);
		else if (step >> 4 == 10)
			driver_sends_sum(in);
		else
			driver_sends(in);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	log_set_level(LOG_LEVEL_ERR);
	memory_clear();
	card_set_up(&in);
	for (unsigned i = 0; in.at < in.end && i < STEPS_MAX; i++)
		any_step(&in);
	if (virtio_is_going(&device))
		net_copy_transmit(&copy);
	peer_drains();
	net_line_fini(&copy.line);
	(void)close(peer);
	return 0;
}
