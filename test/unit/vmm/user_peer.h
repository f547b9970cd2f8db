/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_VMM_USER_PEER_H
#define TEST_UNIT_VMM_USER_PEER_H

/* A vhost-user back end in a thread of the test, which may do what none may. */
#include "lingering.h"
#include "suite.h"
#include "virtio_rig.h"
#include "vmm/vhost_user/message.h"

#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define REPLY 5U /* version 1, and the flag of an answer */
#define ACKNOWLEDGE 8U
#define PROTOCOL BIT64(30)
#define BASICS (BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_EVENT_IDX))
#define CONFIG_SIZE 60
#define TABLE_MAX 8
#define INFLIGHT 12 /* it notes what it has in work */

struct header {
	uint32_t request, flags, size;
};

/* What a back end does wrong, and at which question. */
enum misdeed {
	GOOD,
	SILENT,
	CLOSES,
	CUTS, /* the answer in the middle, and closes */
	OTHER_SIZE,
	HUGE_SIZE,
	OTHER_REQUEST,
	OTHER_VERSION,
	NO_ANSWER_FLAG,
	WITH_FD,
	WITH_FDS,
	REFUSES, /* what it acknowledges */
	RANDOM,
	LINGERS, /* with a descriptor whose last close waits */
};

/* A back end of this test, which runs in a thread. */
static struct {
	pthread_t thread;
	int fd;
	enum misdeed misdeed;
	uint32_t at; /* request */
	uint64_t features, protocol;
	uint64_t queues; /* that it says it serves */
	unsigned seed;
	unsigned slow_ms; /* before each answer */
	/* What it was told: */
	uint64_t accepted;
	unsigned region_count;
	struct vhost_user_region regions[TABLE_MAX];
	int region_fds[TABLE_MAX];
	uint64_t rings[RIG_QUEUES][3];
	unsigned sizes[RIG_QUEUES];
	int kicks[RIG_QUEUES], calls[RIG_QUEUES];
	unsigned enabled, stopped;
	unsigned bases[RIG_QUEUES];
	int note, note_told; /* descriptors */
	unsigned asked[64]; /* by request */
} user;

static void answer_send_with(
	const struct header *asked, const void *payload, uint32_t size, int sent_fd)
{
	struct header h = {asked->request, REPLY, size};
	uint8_t bytes[sizeof(h) + 512] = {0};
	size_t len = sizeof(h) + size;
	const enum misdeed d = asked->request == user.at ? user.misdeed : GOOD;
	int lingers = d == LINGERS ? lingering_socket() : -1;
	int fds[2] = {lingers >= 0 ? lingers : sent_fd < 0 ? user.fd : sent_fd, user.fd};
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} room = {.bytes = {0}};
	struct iovec part = {bytes, len};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	h.size = d == OTHER_SIZE ? size + 4 : d == HUGE_SIZE ? 0x7fffffff : size;
	h.request += d == OTHER_REQUEST;
	h.flags = d == OTHER_VERSION ? 6 : d == NO_ANSWER_FLAG ? 1 : REPLY;
	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), payload, size);
	for (size_t i = 0; d == RANDOM && i < len; i++)
		bytes[i] = (uint8_t)rand_r(&user.seed);
	if (d == CUTS)
		part.iov_len = len - 3;
	if (d == WITH_FD || d == WITH_FDS || d == LINGERS || sent_fd >= 0) {
		const size_t count = d == WITH_FDS ? 2 : 1;
		m.msg_control = room.bytes;
		m.msg_controllen = CMSG_SPACE(count * sizeof(int));
		room.head = (struct cmsghdr){CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(&room.head), fds, count * sizeof(int));
	}
	(void)usleep(user.slow_ms * 1000);
	if (d != SILENT && d != CLOSES)
		(void)sendmsg(user.fd, &m, MSG_NOSIGNAL);
	if (lingers >= 0)
		(void)close(lingers);
	if (d == CLOSES || d == CUTS)
		(void)shutdown(user.fd, SHUT_RDWR);
}

static void answer_send(const struct header *asked, const void *payload, uint32_t size)
{
	answer_send_with(asked, payload, size, -1);
}

/* The note of what is in work: this one is told of, and never read. */
static void note_answer(const struct header *h, const uint8_t *payload)
{
	struct vhost_user_inflight note;

	memcpy(&note, payload, sizeof(note));
	ck_assert_uint_eq(note.queue_count, 2);
	ck_assert_uint_eq(note.queue_size, RING_SIZE);
	note.size = 4096;
	user.note = memfd_create("note", MFD_CLOEXEC);
	answer_send_with(h, &note, sizeof(note), user.note);
}

static void number_answer(const struct header *h, uint64_t number)
{
	answer_send(h, &number, sizeof(number));
}

static void table_take(const uint8_t *payload, const int *fds)
{
	memcpy(&user.region_count, payload, 4);
	ck_assert_uint_le(user.region_count, TABLE_MAX);
	memcpy(user.regions, payload + 8, user.region_count * sizeof(user.regions[0]));
	for (unsigned i = 0; i < user.region_count; i++)
		user.region_fds[i] = fds[i];
}

static void request_serve(const struct header *h, const uint8_t *payload, const int *fds)
{
	uint8_t config[12 + CONFIG_SIZE];
	uint64_t number;
	uint32_t queue;

	memcpy(&number, payload, sizeof(number));
	queue = (uint32_t)number;
	switch (h->request) {
	case VHOST_USER_GET_FEATURES:
		number_answer(h, user.features);
		break;
	case VHOST_USER_GET_PROTOCOL_FEATURES:
		number_answer(h, user.protocol);
		break;
	case VHOST_USER_GET_QUEUE_NUM:
		number_answer(h, user.queues);
		break;
	case VHOST_USER_GET_CONFIG:
		memset(config, 0x11, sizeof(config));
		memcpy(config, payload, 12);
		answer_send(h, config, sizeof(config));
		break;
	case VHOST_USER_SET_FEATURES:
		user.accepted = number;
		break;
	case VHOST_USER_SET_MEM_TABLE:
		table_take(payload, fds);
		break;
	case VHOST_USER_GET_INFLIGHT_FD:
		note_answer(h, payload);
		break;
	case VHOST_USER_SET_INFLIGHT_FD:
		user.note_told = fds[0];
		break;
	case VHOST_USER_SET_VRING_BASE:
		user.bases[queue] = (unsigned)(number >> 32);
		break;
	case VHOST_USER_SET_VRING_NUM:
		user.sizes[queue] = (unsigned)(number >> 32);
		break;
	case VHOST_USER_SET_VRING_ADDR:
		memcpy(user.rings[queue], payload + 8, sizeof(user.rings[queue]));
		break;
	case VHOST_USER_SET_VRING_KICK:
		user.kicks[queue] = fds[0];
		break;
	case VHOST_USER_SET_VRING_CALL:
		user.calls[queue] = fds[0];
		break;
	case VHOST_USER_SET_VRING_ENABLE:
		user.enabled |= 1u << queue;
		break;
	case VHOST_USER_GET_VRING_BASE:
		user.stopped |= 1u << queue;
		number_answer(h, queue);
		break;
	default:
		break;
	}
	if (h->flags & ACKNOWLEDGE)
		number_answer(h, user.at == h->request && user.misdeed == REFUSES);
	(void)__atomic_fetch_add(&user.asked[h->request], 1, __ATOMIC_RELEASE);
}

/* A header, and descriptors with it. Return: false at the end. */
static bool header_take(struct header *h, int fds[TABLE_MAX])
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(TABLE_MAX * sizeof(int))];
	} room;
	struct iovec part = {h, sizeof(*h)};
	struct msghdr m = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof(room.bytes)};

	if (recvmsg(user.fd, &m, MSG_WAITALL) != sizeof(*h))
		return false;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (c)
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	return true;
}

static void *user_run(void *arg)
{
	int fds[TABLE_MAX] = {0};
	uint8_t payload[512] = {0};
	struct header h;

	while (header_take(&h, fds)) {
		if (h.size > sizeof(payload) || h.request >= COUNT(user.asked))
			break;
		if (h.size && recv(user.fd, payload, h.size, MSG_WAITALL) != (ssize_t)h.size)
			break;
		request_serve(&h, payload, fds);
	}
	return arg;
}

static inline void user_describe(enum misdeed misdeed, uint32_t at)
{
	memset(&user, 0, sizeof(user));
	user.misdeed = misdeed;
	user.at = at;
	user.queues = 4;
	user.features = BASICS | PROTOCOL | BIT64(VIRTIO_BLK_F_FLUSH) |
			BIT64(VIRTIO_BLK_F_CONFIG_WCE) | BIT64(40);
	user.protocol = UINT64_MAX & ~BIT64(INFLIGHT);
	vhost_user_patience = misdeed == SILENT ? 1000 : 20000;
}

/* Return: what came of the machine. */
static inline int user_start_as(enum virtio_type type, unsigned queues, struct err *e)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	user.fd = ends[1];
	ck_assert_int_eq(pthread_create(&user.thread, NULL, user_run, NULL), 0);
	machine_describe("user");
	spec.backing = MEMORY_SHARED;
	spec.virtio_count = 1;
	spec.virtio[0] = (struct virtio_spec){.type = type,
		.fd = ends[0],
		.backend = {.name = "disk", .number = 3, .present = true, .queues = queues}};
	spec.kernel.fd = open(getenv("USHER_PLUG"), O_RDONLY | O_CLOEXEC);
	spec.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int r = machine_init(&machine, &machine_reduced, &spec, e);
	return r < 0 ? r : machine_equip(&machine, e);
}

static inline int user_start(struct err *e)
{
	return user_start_as(VIRTIO_TYPE_BLK, 2, e);
}

static inline void user_finish(void)
{
	machine_finish();
	(void)shutdown(user.fd, SHUT_RDWR);
	(void)pthread_join(user.thread, NULL);
	(void)close(user.fd);
}

static inline void user_await(unsigned request, unsigned count)
{
	for (unsigned ms = 0; __atomic_load_n(&user.asked[request], __ATOMIC_ACQUIRE) < count;
		ms++) {
		ck_assert_uint_lt(ms, 10000);
		(void)usleep(1000);
	}
}

static inline void driver_set_up(void)
{
	device_choose(1, VIRTIO_TYPE_BLK);
	features_accept(BASICS | BIT64(VIRTIO_BLK_F_FLUSH));
	for (unsigned n = 0; n < 2; n++) {
		queue_place(n);
		queue_enable(n);
	}
}

/* As driver_go, at a back end that may have cost the device by the time that its status is read. */
static inline void driver_go_to_loss(void)
{
	common_put(COMMON(device_status), 1, GOING);
}

/* The driver's side of a back end that is lost. */
static inline void lost_expect(void)
{
	for (unsigned ms = 0; !(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_NEEDS_RESET);
		ms++) {
		serve();
		ck_assert_uint_lt(ms, 10000);
		(void)usleep(1000);
	}
	reset();
	ck_assert_uint_eq(features_offered(), 0);
}

#endif
