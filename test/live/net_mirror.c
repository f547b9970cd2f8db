/* SPDX-License-Identifier: MIT */
/*
 * net_mirror PATH [note]: a vhost-user back end of a network card, for tests. It has the address
 * 10.9.0.1, and answers ARP and ping. With 'note' it has the inflight feature: killed and started
 * again, it goes on where the used ring ends, because it has nothing in work between two turns.
 */
#include <errno.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RX 0
#define TX 1
#define HEADER 12 /* [bytes] struct virtio_net_hdr_v1 */
#define F_VERSION_1 (UINT64_C(1) << 32)
#define F_PROTOCOL (UINT64_C(1) << 30)
#define P_REPLY_ACK (UINT64_C(1) << 3)
#define P_INFLIGHT (UINT64_C(1) << 12)

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t number;
		struct {
			uint32_t queue, value;
		} ring;
		struct {
			uint32_t queue, flags;
			uint64_t desc, used, avail, log;
		} rings;
		struct {
			uint32_t count, pad;
			struct {
				uint64_t gpa, size, address, offset;
			} regions[8];
		} table;
		struct {
			uint64_t size, offset;
			uint16_t queues, queue_size;
		} inflight;
		uint8_t bytes[512];
	} p;
} __attribute__((packed));

static struct {
	uint64_t address, size;
	char *host;
} regions[8];
static struct {
	uint64_t desc, avail, used;
	uint32_t size;
	uint16_t next;
	int kick, call;
} rings[2] = {{.kick = -1, .call = -1}, {.kick = -1, .call = -1}};
static bool notes;

static void fail(const char *what)
{
	(void)fprintf(stderr, "net_mirror: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *at(uint64_t address, uint64_t size)
{
	for (unsigned i = 0; i < 8; i++)
		if (address >= regions[i].address &&
			address - regions[i].address + size <= regions[i].size)
			return regions[i].host + (address - regions[i].address);
	errno = EFAULT;
	fail("an address");
	return NULL;
}

static void answer(int fd, struct message *m, uint32_t size, int sent)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} room = {.bytes = {0}};
	struct iovec part = {m, 12 + size};
	struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};

	m->flags = 5;
	m->size = size;
	if (sent >= 0) {
		h.msg_control = room.bytes;
		h.msg_controllen = sizeof(room.bytes);
		room.head = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(&room.head), &sent, sizeof(sent));
	}
	if (sendmsg(fd, &h, MSG_NOSIGNAL) < 0)
		fail("answer");
}

static void table_take(const struct message *m, const int *fds)
{
	for (unsigned i = 0; i < m->p.table.count && i < 8; i++) {
		const uint64_t off = m->p.table.regions[i].offset;
		regions[i].address = m->p.table.regions[i].address;
		regions[i].size = m->p.table.regions[i].size;
		char *host = mmap(
			NULL, off + regions[i].size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0);
		if (host == MAP_FAILED)
			fail("map memory");
		regions[i].host = host + off;
	}
}

/* Takes one message. Return: false: the other end is gone. */
static bool message_serve(int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(8 * sizeof(int))];
	} room;
	int fds[8] = {-1};
	struct message m;
	struct iovec part = {&m, 12};
	struct msghdr h = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof(room.bytes)};

	if (recvmsg(fd, &h, MSG_WAITALL) != 12 || m.size > sizeof(m.p) ||
		(m.size && recv(fd, &m.p, m.size, MSG_WAITALL) != (ssize_t)m.size))
		return false;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	if (c)
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	const bool asks = m.flags & 8;
	const uint32_t n = m.p.ring.queue & 1;
	switch (m.request) {
	case 1: /* GET_FEATURES */
		m.p.number = F_VERSION_1 | F_PROTOCOL;
		answer(fd, &m, 8, -1);
		return true;
	case 15: /* GET_PROTOCOL_FEATURES */
		m.p.number = P_REPLY_ACK | (notes ? P_INFLIGHT : 0);
		answer(fd, &m, 8, -1);
		return true;
	case 5: /* SET_MEM_TABLE */
		table_take(&m, fds);
		break;
	case 8: /* SET_VRING_NUM */
		rings[n].size = m.p.ring.value;
		break;
	case 9: /* SET_VRING_ADDR */
		rings[n].desc = m.p.rings.desc;
		rings[n].avail = m.p.rings.avail;
		rings[n].used = m.p.rings.used;
		break;
	case 10: /* SET_VRING_BASE */
		rings[n].next = (uint16_t)m.p.ring.value;
		break;
	case 11: /* GET_VRING_BASE */
		rings[n].kick = -1;
		m.p.ring.value = rings[n].next;
		answer(fd, &m, 8, -1);
		return true;
	case 12: /* SET_VRING_KICK */
		rings[n].kick = fds[0];
		break;
	case 13: /* SET_VRING_CALL */
		rings[n].call = fds[0];
		break;
	case 31: /* GET_INFLIGHT_FD */
		m.p.inflight.size = 4096;
		answer(fd, &m, 24, memfd_create("note", 0));
		return true;
	default:
		break;
	}
	if (asks) {
		m.p.number = 0;
		answer(fd, &m, 8, -1);
	}
	return true;
}

/* The next chain of a ring, whose parts are put together at @frame. Return: its head, -1. */
static int chain_take(unsigned n, struct vring_desc **ret)
{
	const struct vring_avail *a = at(rings[n].avail, 4);
	const uint16_t end = __atomic_load_n(&a->idx, __ATOMIC_ACQUIRE);

	if (rings[n].kick < 0 || end == rings[n].next)
		return -1;
	const uint16_t *list = at(rings[n].avail + 4, 2 * rings[n].size);
	const uint16_t head = list[rings[n].next % rings[n].size];
	*ret = at(rings[n].desc, 16 * rings[n].size);
	return head;
}

static void chain_return(unsigned n, int head, uint32_t written)
{
	struct vring_used *u = at(rings[n].used, 4);
	struct vring_used_elem *list = at(rings[n].used + 4, 8 * rings[n].size);

	list[u->idx % rings[n].size] = (struct vring_used_elem){(uint32_t)head, written};
	__atomic_store_n(&u->idx, (uint16_t)(u->idx + 1), __ATOMIC_RELEASE);
	rings[n].next++;
	if (rings[n].call >= 0)
		(void)eventfd_write(rings[n].call, 1);
}

static void addresses_swap(uint8_t *f, size_t a, size_t b, size_t len)
{
	uint8_t first[6];

	memcpy(first, f + a, len);
	memmove(f + a, f + b, len);
	memcpy(f + b, first, len);
}

/* Makes the answer of a frame. Return: whether there is one. */
static bool frame_mirror(uint8_t *f, size_t len)
{
	static const uint8_t mac[6] = {2, 0, 0, 9, 0, 1}, ip[4] = {10, 9, 0, 1};

	if (len >= 42 && f[12] == 8 && f[13] == 6 && f[21] == 1 && memcmp(f + 38, ip, 4) == 0) {
		f[21] = 2; /* ARP: a reply */
		memcpy(f + 32, f + 22, 10);
		memcpy(f + 22, mac, 6);
		memcpy(f + 28, ip, 4);
	} else if (len >= 42 && f[12] == 8 && f[13] == 0 && f[23] == 1 && f[34] == 8 &&
		   memcmp(f + 30, ip, 4) == 0) {
		f[34] = 0; /* ICMP: an echo's reply, whose checksum is 0x800 more */
		const unsigned sum = (unsigned)(f[36] << 8 | f[37]) + 0x800;
		f[36] = (uint8_t)((sum + (sum >> 16)) >> 8);
		f[37] = (uint8_t)(sum + (sum >> 16));
		addresses_swap(f, 26, 30, 4);
	} else {
		return false;
	}
	memcpy(f, f + 6, 6);
	memcpy(f + 6, mac, 6);
	return true;
}

static void frame_deliver(const uint8_t *frame, size_t len)
{
	struct vring_desc *d;
	int head = chain_take(RX, &d);

	if (head < 0)
		return;
	uint8_t *to = at(d[head].addr, HEADER + len);
	memset(to, 0, HEADER);
	to[10] = 1; /* one buffer */
	memcpy(to + HEADER, frame, len);
	chain_return(RX, head, (uint32_t)(HEADER + len));
}

static void frames_serve(void)
{
	uint8_t frame[65536];
	struct vring_desc *d;
	int head;

	while ((head = chain_take(TX, &d)) >= 0) {
		size_t len = 0;
		for (unsigned i = (unsigned)head;; i = d[i].next) {
			if (len + d[i].len <= sizeof(frame))
				memcpy(frame + len, at(d[i].addr, d[i].len), d[i].len);
			len += d[i].len;
			if (!(d[i].flags & VRING_DESC_F_NEXT))
				break;
		}
		chain_return(TX, head, 0);
		if (len > HEADER && len <= sizeof(frame) &&
			frame_mirror(frame + HEADER, len - HEADER))
			frame_deliver(frame + HEADER, len - HEADER);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int listening = socket(AF_UNIX, SOCK_STREAM, 0);

	if (argc < 2)
		return 2;
	notes = argc > 2;
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", argv[1]);
	(void)unlink(argv[1]);
	if (bind(listening, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listening, 1) < 0)
		fail("listen");
	int fd = accept(listening, NULL, NULL);
	for (;;) {
		struct pollfd p[] = {
			{.fd = fd, .events = POLLIN}, {.fd = rings[TX].kick, .events = POLLIN}};
		eventfd_t count;
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents && !message_serve(fd))
			return 0;
		if (p[1].revents && eventfd_read(rings[TX].kick, &count) == 0)
			frames_serve();
	}
}
