/* SPDX-License-Identifier: MIT */
/*
 * The conversation with a vhost-user back end that answers what it likes, in the pieces that it
 * likes, with descriptors or none; and rings that a driver placed anywhere. sendmsg(2) of the code
 * under test ends here: this back end looks at each question, and its answer waits in the socket
 * when sendmsg(2) returns. Input: how the socket behaves, what the back end has, then steps.
 *
 * covers: src/vmm/vhost_user/link.c src/vmm/vhost_user/message.c
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "input.h"
#include "require.h"
#include "vmm/memory.h"
#include "vmm/vhost_user/link.h"
#include "vmm/vhost_user/message.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *h, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *h, int flags);

#define RAM_SIZE UINT64_C(0x40000)
#define RINGS_MAX 3U
#define STEPS_MAX 12
#define CONFIG_SIZE 60U
#define CONFIG_HEAD 12U
#define TABLE_HEAD 8U
#define FDS_MAX 64
#define PIECE 7U /* [bytes] */
#define VERSION 1U
#define REPLY 4U
#define ACKNOWLEDGE 8U
#define P_MQ BIT64(0)
#define P_REPLY_ACK BIT64(3)
#define P_CONFIG BIT64(9)
#define P_INFLIGHT BIT64(12)

/* What the socket does to sendmsg(2). */
enum socket_habit {
	IN_PIECES = 1,
	FULL_FIRST = 2,
	INTERRUPTED_FIRST = 4,
	BREAKS = 8,
};

struct head {
	uint32_t request, flags, size;
};

static struct input in;
static struct memory memories[3] = {MEMORY_NONE, MEMORY_NONE, MEMORY_NONE};
static int eventfds[2] = {-1, -1};

/* The back end, which judges itself: what it does wrong must be noticed. */
static struct {
	int fd, front; /* both ends of the socket */
	struct vhost_user_link *link; /* of the front end, which does not wait long for nothing */
	uint8_t habits;
	unsigned sends_left; /* until the socket breaks */
	bool hesitated;
	uint64_t features, protocol, queues; /* as it has answered */
	uint64_t settled; /* features of the conversation */
	uint8_t bytes[sizeof(struct head) + sizeof(((struct vhost_user_message *)0)->payload)];
	size_t have; /* of them */
	int fds[VHOST_USER_REGIONS_MAX]; /* that came with them, which are not its own */
	unsigned fd_count;
	bool lied;
	uint8_t config[CONFIG_SIZE];
	struct vhost_user_message table; /* as it was told last */
	struct vhost_user_ring told[RINGS_MAX];
	bool kicked[RINGS_MAX], enabled[RINGS_MAX];
	int note; /* what it gave for requests in work */
} peer;

/* RAM in two pieces, and a ROM between them; private RAM; RAM in more pieces than a table has. */
static void world_start(void)
{
	const struct memory_range two[] = {{.gpa = GPA(0), .size = 0x10000},
		{.gpa = GPA(0x20000), .size = 0x10000},
		{.gpa = GPA(0x10000), .size = 0x4000, .readonly = true}};
	const enum memory_backing backings[] = {MEMORY_SHARED, MEMORY_PRIVATE, MEMORY_SHARED};

	if (eventfds[0] >= 0)
		return;
	for (unsigned i = 0; i < COUNT(memories); i++) {
		require(memory_init(&memories[i], RAM_SIZE, backings[i], NULL) == 0, "RAM");
		for (unsigned n = 0; n < (i == 2 ? VHOST_USER_REGIONS_MAX + 1 : COUNT(two)); n++) {
			struct memory_range r =
				i == 2 ? (struct memory_range){.gpa = GPA(n * UINT64_C(0x8000)),
						 .size = 0x1000}
				       : two[n];
			r.host = (char *)memories[i].ram + r.gpa.v % RAM_SIZE;
			require(memory_add(&memories[i], &r, NULL) == 0, "a range");
		}
	}
	for (unsigned i = 0; i < COUNT(eventfds); i++)
		eventfds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void bytes_send(const void *bytes, size_t len, const int *fds, unsigned count)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} room = {.bytes = {0}};
	struct iovec part = {(void *)(uintptr_t)bytes, len};
	struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};

	if (count) {
		h.msg_control = room.bytes;
		h.msg_controllen = CMSG_SPACE(count * sizeof(int));
		room.head = (struct cmsghdr){CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(&room.head), fds, count * sizeof(int));
	}
	if (len)
		(void)__real_sendmsg(peer.fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Whether the answer is one. @fds: that come with it, of which one was asked for, or none. */
static bool answer_is_lawful(
	const struct head *asked, const struct head *h, uint32_t size, unsigned fds)
{
	return h->request == asked->request && (h->flags & 3) == VERSION && h->flags & REPLY &&
	       h->size == size && fds <= (asked->request == VHOST_USER_GET_INFLIGHT_FD);
}

/* In one piece, or in many; descriptors come with the first byte, or with the payload's. */
static void answer_send(const uint8_t *bytes, size_t len, unsigned fds, uint8_t how)
{
	const int given[] = {peer.note >= 0 ? peer.note : eventfds[0], eventfds[1]};
	const size_t first = how & 0x40 ? sizeof(struct head) : 0;
	const size_t step = how & 0x20 ? PIECE : len;

	if (first)
		bytes_send(bytes, first, NULL, 0);
	for (size_t done = first; done < len; done += step)
		bytes_send(bytes + done, min_u64(step, len - done), given, done == first ? fds : 0);
}

/* Below 0xa0, an answer is as it should be. */
static void answer_give(const struct head *asked, const void *payload, uint32_t size, unsigned fds)
{
	uint8_t bytes[sizeof(struct head) + 128] = {0};
	struct head h = {asked->request, VERSION | REPLY, size};
	size_t len = sizeof(h) + size;
	uint8_t how = input_byte(&in);
	bool silent = false;

	memcpy(bytes + sizeof(h), payload, size);
	switch (how < 0xa0 ? 0 : how & 7) {
	case 1:
		h.size = (uint32_t)input_number(&in);
		break;
	case 2:
		h.request ^= input_byte(&in);
		break;
	case 3:
		h.flags = input_byte(&in);
		break;
	case 4:
		fds = input_byte(&in) % 3;
		break;
	case 5:
		len = min_u64(len, input_byte(&in));
		break;
	case 6:
		peer.link->end_ms = clock_ms() + (input_byte(&in) & 1);
		silent = true;
		len = 0;
		break;
	case 7:
		h = (struct head){(uint32_t)input_number(&in), (uint32_t)input_number(&in),
			(uint32_t)input_number(&in)};
		break;
	default:
		break;
	}
	memcpy(bytes, &h, sizeof(h));
	answer_send(bytes, len, fds, how);
	if (len < sizeof(h) + size && !silent)
		(void)shutdown(peer.fd, SHUT_WR);
	peer.lied |= len < sizeof(h) + size || !answer_is_lawful(asked, &h, size, fds);
}

static void number_give(const struct head *asked, uint64_t number)
{
	answer_give(asked, &number, sizeof(number), 0);
}

static void config_give(const struct head *asked, const struct vhost_user_message *m)
{
	uint8_t answer[CONFIG_HEAD + CONFIG_SIZE];
	uint32_t size = m->payload.config.size;

	require(peer.settled & P_CONFIG, "the configuration is asked of one that has it");
	require(size == CONFIG_SIZE, "all of it");
	for (unsigned i = 0; i < CONFIG_SIZE; i++)
		peer.config[i] = (uint8_t)(i + input_byte(&in));
	if (input_byte(&in) > 0xe0)
		size = (uint32_t)input_number(&in);
	memcpy(answer, &m->payload, CONFIG_HEAD);
	memcpy(answer + 4, &size, sizeof(size));
	memcpy(answer + CONFIG_HEAD, peer.config, CONFIG_SIZE);
	peer.lied |= size != CONFIG_SIZE;
	answer_give(asked, answer, sizeof(answer), 0);
}

static void ring_give(const struct head *asked, const struct vhost_user_message *m)
{
	uint32_t answer[] = {m->payload.ring.queue, (uint32_t)input_number(&in)};

	if (input_byte(&in) > 0xe0)
		answer[0] ^= input_byte(&in);
	peer.kicked[m->payload.ring.queue] = peer.enabled[m->payload.ring.queue] = false;
	peer.lied |= answer[0] != m->payload.ring.queue;
	answer_give(asked, answer, sizeof(answer), 0);
}

/* A back end without a note answers without a descriptor. */
static void note_give(const struct head *asked, const struct vhost_user_message *m)
{
	struct vhost_user_inflight note = m->payload.inflight;

	require(peer.settled & P_INFLIGHT, "a note is asked of one that has it");
	fd_close(&peer.note);
	note.size = input_number(&in);
	if (input_byte(&in) < 0xe0)
		peer.note = memfd_create("note", MFD_CLOEXEC);
	answer_give(asked, &note, sizeof(note), peer.note >= 0);
}

static bool is_told(uint64_t address, uint64_t size)
{
	for (unsigned i = 0; i < peer.table.payload.table.count; i++) {
		const struct vhost_user_region *r = &peer.table.payload.table.regions[i];
		if (address >= r->address && range_ok(address - r->address, size, r->size))
			return true;
	}
	return false;
}

static void table_take(const struct vhost_user_message *m)
{
	require(m->payload.table.count == peer.fd_count, "each region has its descriptor");
	for (unsigned i = 0; i < m->payload.table.count; i++) {
		const struct vhost_user_region *r = &m->payload.table.regions[i];
		require(r->gpa != 0x10000, "a ROM is no back end's");
		require(r->address == r->gpa, "addresses are the guest's");
		require(range_ok(r->offset, r->size, RAM_SIZE), "a region lies in its file");
	}
	peer.table = *m;
}

static void addresses_take(const struct vhost_user_message *m, struct vhost_user_ring *q)
{
	require(is_told(m->payload.rings.desc, q->size * UINT64_C(16)), "descriptors are told");
	require(is_told(m->payload.rings.avail, q->size * UINT64_C(2) + 6), "a list is told");
	require(is_told(m->payload.rings.used, q->size * UINT64_C(8) + 6), "the other one is");
	q->enabled = true;
}

/* What is told of a ring, in the order in which a back end needs it. */
static void ring_take(const struct head *h, const struct vhost_user_message *m)
{
	const uint32_t n = m->payload.ring.queue;

	require(n < RINGS_MAX, "a ring that is there");
	struct vhost_user_ring *q = &peer.told[n];
	switch (h->request) {
	case VHOST_USER_SET_VRING_NUM:
		require(!peer.kicked[n], "a ring that runs stays as it is");
		*q = (struct vhost_user_ring){.size = (uint16_t)m->payload.ring.value};
		break;
	case VHOST_USER_SET_VRING_ADDR:
		addresses_take(m, q);
		break;
	case VHOST_USER_SET_VRING_CALL:
		require(peer.fds[0] == eventfds[1], "its interrupt is an eventfd");
		break;
	case VHOST_USER_SET_VRING_KICK:
		require(q->enabled, "a ring has addresses before it starts");
		require(peer.fds[0] == eventfds[0], "its doorbell is an eventfd");
		peer.kicked[n] = true;
		break;
	case VHOST_USER_SET_VRING_ENABLE:
		require(peer.kicked[n] && m->payload.ring.value == 1, "it is enabled last");
		peer.enabled[n] = true;
		break;
	default:
		break;
	}
}

static void message_take(const struct head *h, const struct vhost_user_message *m)
{
	switch (h->request) {
	case VHOST_USER_SET_FEATURES:
		require(!(m->payload.number & ~peer.features), "it has what is accepted");
		break;
	case VHOST_USER_SET_PROTOCOL_FEATURES:
		require(!(m->payload.number & ~peer.protocol), "it has what is settled");
		peer.settled = m->payload.number;
		break;
	case VHOST_USER_SET_MEM_TABLE:
		table_take(m);
		break;
	case VHOST_USER_SET_INFLIGHT_FD:
		require(peer.fd_count == 1, "a note has its descriptor");
		break;
	case VHOST_USER_SET_OWNER:
		break;
	default:
		ring_take(h, m);
		break;
	}
	if (!(h->flags & ACKNOWLEDGE))
		return;
	const uint64_t refusal = input_byte(&in) > 0xe0;
	require(peer.settled & P_REPLY_ACK, "it can acknowledge");
	peer.lied |= refusal;
	number_give(h, refusal);
}

/* A whole message: what is asked is answered. */
static void request_serve(const struct head *h, const struct vhost_user_message *m)
{
	switch (h->request) {
	case VHOST_USER_GET_FEATURES:
		peer.features = input_bytes(&in, 8);
		number_give(h, peer.features);
		break;
	case VHOST_USER_GET_PROTOCOL_FEATURES:
		peer.protocol = input_bytes(&in, 2);
		number_give(h, peer.protocol);
		break;
	case VHOST_USER_GET_QUEUE_NUM:
		require(peer.settled & P_MQ, "it knows its number of queues");
		peer.queues = input_number(&in);
		number_give(h, peer.queues);
		break;
	case VHOST_USER_GET_CONFIG:
		config_give(h, m);
		break;
	case VHOST_USER_GET_VRING_BASE:
		ring_give(h, m);
		break;
	case VHOST_USER_GET_INFLIGHT_FD:
		note_give(h, m);
		break;
	default:
		message_take(h, m);
		break;
	}
}

static void fds_take(const struct msghdr *h)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(h);

	if (!c)
		return;
	require(peer.have == 0, "descriptors come with the first byte");
	peer.fd_count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	require(peer.fd_count <= VHOST_USER_REGIONS_MAX, "a message has eight at most");
	memcpy(peer.fds, CMSG_DATA(c), peer.fd_count * sizeof(int));
	for (unsigned i = 0; i < peer.fd_count; i++)
		require(fcntl(peer.fds[i], F_GETFD) >= 0, "they are open");
}

static void bytes_take(const void *bytes, size_t len)
{
	struct vhost_user_message m = {0};
	struct head h;

	require(range_ok(peer.have, len, sizeof(peer.bytes)), "a message has an end");
	memcpy(peer.bytes + peer.have, bytes, len);
	peer.have += len;
	if (peer.have < sizeof(h))
		return;
	memcpy(&h, peer.bytes, sizeof(h));
	require(h.size <= sizeof(m.payload) && peer.have <= sizeof(h) + h.size, "one at a time");
	if (peer.have < sizeof(h) + h.size)
		return;
	require((h.flags & ~ACKNOWLEDGE) == VERSION, "a question is one");
	memcpy(&m.payload, peer.bytes + sizeof(h), h.size);
	request_serve(&h, &m);
	peer.have = peer.fd_count = 0;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *h, int flags)
{
	const size_t len = h->msg_iov[0].iov_len;
	const size_t taken = peer.habits & IN_PIECES ? min_u64(len, PIECE) : len;

	require(fd == peer.front && flags == (MSG_DONTWAIT | MSG_NOSIGNAL), "nobody waits");
	if (peer.habits & BREAKS && !peer.sends_left--) {
		peer.lied = true;
		errno = EPIPE;
		return -1;
	}
	peer.hesitated = !peer.hesitated;
	if (peer.habits & (FULL_FIRST | INTERRUPTED_FIRST) && peer.hesitated) {
		errno = peer.habits & FULL_FIRST ? EAGAIN : EINTR;
		return -1;
	}
	fds_take(h);
	bytes_take(h->msg_iov[0].iov_base, taken);
	return (ssize_t)taken;
}

/* A back end that is there, or is there again. Return: the front end's end. */
static int peer_connect(void)
{
	int ends[2];

	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "a socket");
	fd_close(&peer.fd);
	peer.front = ends[0];
	peer.fd = ends[1];
	peer.settled = 0;
	memset(peer.kicked, 0, sizeof(peer.kicked));
	memset(peer.enabled, 0, sizeof(peer.enabled));
	return ends[0];
}

/* As a driver places them: mostly in RAM. Return: whether all that are enabled lie there. */
static bool rings_make(struct vhost_user_ring *rings)
{
	bool lie = true;

	for (unsigned n = 0; n < RINGS_MAX; n++) {
		const uint8_t kind = input_byte(&in);
		gpa_t *places[] = {&rings[n].desc, &rings[n].avail, &rings[n].used};
		rings[n] = (struct vhost_user_ring){.enabled = kind & 1,
			.size = (uint16_t)(1U << (kind >> 1) % 16),
			.base = (uint16_t)input_byte(&in),
			.kick = eventfds[0],
			.call = eventfds[1]};
		const uint64_t sizes[] = {rings[n].size * UINT64_C(16),
			rings[n].size * UINT64_C(2) + 6, rings[n].size * UINT64_C(8) + 6};
		for (unsigned i = 0; i < COUNT(places); i++) {
			const uint8_t at = input_byte(&in);
			places[i]->v = at < 0xf0 ? at * UINT64_C(0x400) : input_number(&in);
			const uint64_t off = places[i]->v & 0xffff;
			const bool in_ram = places[i]->v < 0x30000 && places[i]->v >> 16 != 1;
			if (rings[n].enabled && (!in_ram || !range_ok(off, sizes[i], 0x10000)))
				lie = false;
		}
	}
	return lie;
}

static int rings_start(struct vhost_user_link *l, struct vhost_user_ring *rings)
{
	const uint8_t how = input_byte(&in);
	struct memory *m = &memories[how < 0xc0 ? 0 : how % 3];
	const bool lie = rings_make(rings) && m == &memories[0];

	const int r = vhost_user_link_start(l, m, input_bytes(&in, 8), rings, RINGS_MAX, how & 1);
	require(r < 0 || m == &memories[0], "memory that cannot be shared is not");
	require(r == 0 || peer.lied || !lie, "rings in RAM start");
	for (unsigned n = 0; r == 0 && n < RINGS_MAX; n++)
		require(peer.kicked[n] == rings[n].enabled &&
				peer.enabled[n] == (rings[n].enabled && l->settles),
			"all rings run that are to");
	return r;
}

static int config_read(struct vhost_user_link *l)
{
	uint8_t config[CONFIG_SIZE];

	const int r = vhost_user_link_config(l, config, sizeof(config));
	require((r == -EOPNOTSUPP) == !(peer.settled & P_CONFIG), "it says what it has not");
	require(r < 0 || memcmp(config, peer.config, sizeof(config)) == 0, "it is as answered");
	return r == -EOPNOTSUPP ? 0 : r;
}

static int backend_renew(struct vhost_user_link *l)
{
	struct vhost_user_link next;
	const int fd = peer_connect();

	peer.link = &next;
	int r = vhost_user_link_ask(&next, fd, clock_ms() + vhost_user_patience);
	peer.link = l;
	if (r == 0)
		r = vhost_user_link_renew(l, &next);
	require(r < 0 || (l->fd == fd && !(l->features & ~peer.features)), "it has no less");
	vhost_user_link_fini(&next);
	return r;
}

static int step_do(struct vhost_user_link *l, struct vhost_user_ring *rings)
{
	const bool runs = peer.kicked[0] || peer.kicked[1] || peer.kicked[2];

	switch (input_byte(&in) % 5) {
	case 0:
		return config_read(l);
	case 1:
		return runs ? 0 : rings_start(l, rings);
	case 2:
		return vhost_user_link_stop(l, rings, RINGS_MAX);
	case 3:
		return vhost_user_link_set_call(l, input_byte(&in) % RINGS_MAX, eventfds[1]);
	default:
		return backend_renew(l);
	}
}

static void conversation_have(void)
{
	struct vhost_user_ring rings[RINGS_MAX] = {0};
	struct vhost_user_link l;

	peer.link = &l;
	int r = vhost_user_link_init(&l, peer_connect(), "disk", NULL);
	require(r < 0 || peer.features & BIT64(VIRTIO_F_VERSION_1), "it has our version");
	require(r == 0 || l.fd == -1, "nothing is left");
	require(r < 0 || !(peer.settled & P_MQ) || l.queues == min_u64(peer.queues, UINT16_MAX),
		"it has as many queues as it says");
	for (unsigned i = 0; r == 0 && i < STEPS_MAX && in.at < in.end; i++) {
		require(!peer.lied, "a lie is noticed");
		r = step_do(&l, rings);
	}
	require(r < 0 || !peer.lied, "the last lie is noticed");
	vhost_user_link_fini(&l);
}

static unsigned fds_count(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < FDS_MAX; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	world_start();
	const unsigned before = fds_count();
	in = (struct input){data, data + size};
	memset(&peer, 0, sizeof(peer));
	peer.fd = peer.note = -1;
	peer.habits = input_byte(&in);
	peer.sends_left = peer.habits & BREAKS ? input_byte(&in) : 0;
	conversation_have();
	fd_close(&peer.fd);
	fd_close(&peer.note);
	require(fds_count() == before, "each descriptor is closed");
	return 0;
}
