/* SPDX-License-Identifier: MIT */
#include "vmm/vhost_user/link.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/err.h"
#include "vmm/copy.h"
#include "vmm/memory.h"
#include "vmm/vhost_user/bound.h"
#include "vmm/vhost_user/doorbell.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#define F_PROTOCOL_FEATURES 30 /* the back end knows features of the conversation */

enum protocol_feature {
	PROTOCOL_MQ = 0, /* it says how many queues it serves */
	PROTOCOL_REPLY_ACK = 3, /* it acknowledges what it did */
	PROTOCOL_CONFIG = 9, /* it has the device's configuration */
	PROTOCOL_INFLIGHT = 12, /* it notes requests in work where they outlive it */
};

#define PROTOCOL_OURS                                                              \
	(BIT64(PROTOCOL_MQ) | BIT64(PROTOCOL_REPLY_ACK) | BIT64(PROTOCOL_CONFIG) | \
		BIT64(PROTOCOL_INFLIGHT))

static bool link_has(const struct vhost_user_link *l, enum protocol_feature f)
{
	return l->protocol & BIT64(f);
}

static void patience_begin(struct vhost_user_link *l)
{
	l->end_ms = clock_ms() + vhost_user_patience;
}

static int message_send(
	const struct vhost_user_link *l, const struct vhost_user_message *m, bool acknowledge)
{
	return vhost_user_send(l->fd, m, acknowledge, l->end_ms);
}

static int message_ask(
	const struct vhost_user_link *l, struct vhost_user_message *m, uint32_t size, int *ret_fd)
{
	int r = message_send(l, m, false);

	return r < 0 ? r : vhost_user_receive(l->fd, m, size, ret_fd, l->end_ms);
}

/* Asks for a number. */
static int number_ask(struct vhost_user_link *l, enum vhost_user_request request, uint64_t *ret)
{
	struct vhost_user_message m = {.request = request};

	int r = message_ask(l, &m, sizeof(m.payload.number), NULL);
	if (r == 0)
		*ret = m.payload.number;
	return r;
}

static int number_tell(struct vhost_user_link *l, enum vhost_user_request request, uint64_t value)
{
	const struct vhost_user_message m = {
		.request = request, .size = sizeof(value), .payload.number = value};

	return message_send(l, &m, false);
}

/* Sends what may fail there, and waits until it is done, where the back end can say so. */
static int message_confirm(struct vhost_user_link *l, const struct vhost_user_message *m)
{
	struct vhost_user_message answer = {.request = m->request};
	const bool acknowledges = link_has(l, PROTOCOL_REPLY_ACK);

	int r = message_send(l, m, acknowledges);
	if (r < 0 || !acknowledges)
		return r;
	r = vhost_user_receive(l->fd, &answer, sizeof(answer.payload.number), NULL, l->end_ms);
	if (r < 0)
		return r;
	return answer.payload.number ? -EREMOTEIO : 0;
}

static int features_settle(struct vhost_user_link *l)
{
	uint64_t offered = 0, queues = 1;

	int r = number_ask(l, VHOST_USER_GET_FEATURES, &l->features);
	if (r < 0)
		return r;
	l->settles = l->features & BIT64(F_PROTOCOL_FEATURES);
	l->features &= ~BIT64(F_PROTOCOL_FEATURES);
	r = l->settles ? number_ask(l, VHOST_USER_GET_PROTOCOL_FEATURES, &offered) : 0;
	if (r < 0)
		return r;
	l->protocol = offered & PROTOCOL_OURS;
	r = l->settles ? number_tell(l, VHOST_USER_SET_PROTOCOL_FEATURES, l->protocol) : 0;
	if (r < 0)
		return r;
	r = message_send(l, &(struct vhost_user_message){.request = VHOST_USER_SET_OWNER}, false);
	if (r < 0)
		return r;
	if (link_has(l, PROTOCOL_MQ))
		r = number_ask(l, VHOST_USER_GET_QUEUE_NUM, &queues);
	/* One that does not say has as many as its type needs. */
	l->queues = link_has(l, PROTOCOL_MQ) ? (unsigned)(queues > UINT16_MAX ? UINT16_MAX : queues)
					     : UINT16_MAX;
	return r;
}

int vhost_user_link_ask(struct vhost_user_link *next, int fd, int64_t end_ms)
{
	*next = VHOST_USER_LINK_NONE;
	next->fd = fd;
	next->end_ms = end_ms;
	int r = features_settle(next);
	return r < 0 || next->features & BIT64(VIRTIO_F_VERSION_1) ? r : -EOPNOTSUPP;
}

int vhost_user_link_init(struct vhost_user_link *l, int fd, const char *name, struct err *e)
{
	int r = vhost_user_link_ask(l, fd, clock_ms() + vhost_user_patience);
	if (r == 0)
		return 0;
	vhost_user_link_fini(l);
	return err_say(e, r, "'%s': its back end %s", name,
		r == -EOPNOTSUPP ? "knows nothing of virtio 1" : vhost_user_link_loss(r));
}

int vhost_user_link_renew(struct vhost_user_link *l, struct vhost_user_link *next)
{
	const int before = l->fd;

	if (l->features & ~next->features || l->settles != next->settles ||
		l->protocol != next->protocol || next->queues < l->queues)
		return -EOPNOTSUPP;
	l->fd = next->fd;
	next->fd = before;
	return 0;
}

void vhost_user_link_fini(struct vhost_user_link *l)
{
	wait_bound_close(&l->fd);
	wait_bound_close(&l->inflight_fd);
	*l = VHOST_USER_LINK_NONE;
}

int vhost_user_link_config(struct vhost_user_link *l, void *to, uint32_t size)
{
	const uint32_t whole = (uint32_t)offsetof(struct vhost_user_message, payload.config.bytes) -
			       (uint32_t)offsetof(struct vhost_user_message, payload) + size;
	struct vhost_user_message m = {
		.request = VHOST_USER_GET_CONFIG, .size = whole, .payload.config.size = size};

	if (!link_has(l, PROTOCOL_CONFIG))
		return -EOPNOTSUPP;
	int r = message_ask(l, &m, whole, NULL);
	if (r < 0)
		return r;
	if (m.payload.config.size != size)
		return -EPROTO;
	memcpy(to, m.payload.config.bytes, size);
	return 0;
}

static int table_set(struct vhost_user_link *l, struct memory *memory)
{
	struct memory_range ram[MEMORY_BLOCKS_MAX];
	struct vhost_user_message m = {.request = VHOST_USER_SET_MEM_TABLE};
	const size_t count = memory_ram_ranges(memory, ram);

	for (size_t i = 0; i < count; i++) {
		const uint32_t n = m.payload.table.count;
		if (ram[i].readonly)
			continue;
		if (ram[i].fd < 0 || n == VHOST_USER_REGIONS_MAX)
			return -EOPNOTSUPP;
		m.payload.table.regions[n] = (struct vhost_user_region){.gpa = ram[i].gpa.v,
			.size = ram[i].size,
			.address = ram[i].gpa.v,
			.offset = ram[i].fd_off};
		m.fds[m.fd_count++] = ram[i].fd;
		m.payload.table.count++;
	}
	m.size = (uint32_t)(offsetof(struct vhost_user_message, payload.table.regions) -
			    offsetof(struct vhost_user_message, payload) +
			    m.payload.table.count * sizeof(m.payload.table.regions[0]));
	return message_confirm(l, &m);
}

/* The file outlives the back end: it says what was in work. This process does not read it. */
static int inflight_set(
	struct vhost_user_link *l, const struct vhost_user_ring *rings, unsigned count)
{
	struct vhost_user_message m = {
		.request = VHOST_USER_GET_INFLIGHT_FD, .size = sizeof(m.payload.inflight)};
	int r = 0;

	if (!link_has(l, PROTOCOL_INFLIGHT))
		return 0;
	m.payload.inflight.queue_count = (uint16_t)count;
	for (unsigned n = 0; n < count; n++)
		if (rings[n].enabled && rings[n].size > m.payload.inflight.queue_size)
			m.payload.inflight.queue_size = rings[n].size;
	if (l->inflight_fd < 0) {
		r = message_ask(l, &m, sizeof(m.payload.inflight), &l->inflight_fd);
		if (r < 0 || l->inflight_fd < 0)
			return r;
		l->inflight = m.payload.inflight;
	}
	m = (struct vhost_user_message){.request = VHOST_USER_SET_INFLIGHT_FD,
		.size = sizeof(m.payload.inflight),
		.fd_count = 1,
		.fds = {l->inflight_fd},
		.payload.inflight = l->inflight};
	return message_confirm(l, &m);
}

static int ring_tell(
	struct vhost_user_link *l, enum vhost_user_request request, unsigned n, uint32_t value)
{
	const struct vhost_user_message m = {.request = request,
		.size = sizeof(m.payload.ring),
		.payload.ring = {.queue = n, .value = value}};

	return message_send(l, &m, false);
}

static int eventfd_tell(
	struct vhost_user_link *l, enum vhost_user_request request, unsigned n, int eventfd)
{
	const struct vhost_user_message m = {.request = request,
		.size = sizeof(m.payload.number),
		.fd_count = 1,
		.fds = {eventfd},
		.payload.number = n};

	return message_send(l, &m, false);
}

/* A part of a ring lies in one range of RAM as a whole: the back end has one mapping of each. */
static bool part_is_ram(const struct memory *m, gpa_t at, uint64_t size)
{
	struct iovec part;

	return memory_iov(m, at, size, true, &part, 1) == 1;
}

static int addresses_tell(struct vhost_user_link *l, const struct memory *memory,
	const struct vhost_user_ring *q, unsigned n)
{
	const struct vhost_user_message m = {.request = VHOST_USER_SET_VRING_ADDR,
		.size = sizeof(m.payload.rings),
		.payload.rings = {
			.queue = n, .desc = q->desc.v, .used = q->used.v, .avail = q->avail.v}};

	if (!part_is_ram(memory, q->desc, q->size * sizeof(struct vring_desc)) ||
		!part_is_ram(
			memory, q->avail, offsetof(struct vring_avail, ring) + 2U * q->size + 2) ||
		!part_is_ram(memory, q->used,
			offsetof(struct vring_used, ring) +
				q->size * sizeof(struct vring_used_elem) + 2))
		return -EFAULT;
	return message_send(l, &m, false);
}

/*
 * The doorbell is rung before the back end has it: chains may have been listed before. With the
 * doorbell it starts, so that comes last.
 */
static int ring_start(struct vhost_user_link *l, const struct memory *memory,
	const struct vhost_user_ring *q, unsigned n)
{
	int r = ring_tell(l, VHOST_USER_SET_VRING_NUM, n, q->size);
	if (r < 0)
		return r;
	r = ring_tell(l, VHOST_USER_SET_VRING_BASE, n, q->base);
	if (r < 0)
		return r;
	r = addresses_tell(l, memory, q, n);
	if (r < 0)
		return r;
	r = eventfd_tell(l, VHOST_USER_SET_VRING_CALL, n, q->call);
	if (r < 0)
		return r;
	doorbell_ring(q->kick);
	return eventfd_tell(l, VHOST_USER_SET_VRING_KICK, n, q->kick);
}

/* Ref: vhost-user: a back end that settles features of the conversation has rings disabled. */
static int ring_enable(struct vhost_user_link *l, unsigned n)
{
	const struct vhost_user_message m = {.request = VHOST_USER_SET_VRING_ENABLE,
		.size = sizeof(m.payload.ring),
		.payload.ring = {.queue = n, .value = 1}};

	return l->settles ? message_confirm(l, &m) : 0;
}

int vhost_user_link_start(struct vhost_user_link *l, struct memory *m, uint64_t accepted,
	const struct vhost_user_ring *rings, unsigned count, bool resumes)
{
	const uint64_t features =
		(accepted & l->features) | (l->settles ? BIT64(F_PROTOCOL_FEATURES) : 0);

	if (!resumes)
		wait_bound_close(&l->inflight_fd);
	patience_begin(l);
	int r = number_tell(l, VHOST_USER_SET_FEATURES, features);
	if (r < 0)
		return r;
	r = inflight_set(l, rings, count);
	if (r < 0)
		return r;
	r = table_set(l, m);
	for (unsigned n = 0; r == 0 && n < count; n++)
		if (rings[n].enabled)
			r = ring_start(l, m, &rings[n], n);
	for (unsigned n = 0; r == 0 && n < count; n++)
		if (rings[n].enabled)
			r = ring_enable(l, n);
	return r;
}

/* Ref: vhost-user: the back end answers when it has finished what it took from the ring. */
static int ring_stop(struct vhost_user_link *l, unsigned n)
{
	struct vhost_user_message m = {.request = VHOST_USER_GET_VRING_BASE,
		.size = sizeof(m.payload.ring),
		.payload.ring = {.queue = n}};

	int r = message_ask(l, &m, sizeof(m.payload.ring), NULL);
	return r < 0 || m.payload.ring.queue == n ? r : -EPROTO;
}

int vhost_user_link_stop(
	struct vhost_user_link *l, const struct vhost_user_ring *rings, unsigned count)
{
	int r = 0;

	patience_begin(l);
	for (unsigned n = 0; r == 0 && n < count; n++)
		if (rings[n].enabled)
			r = ring_stop(l, n);
	return r;
}

int vhost_user_link_set_call(struct vhost_user_link *l, unsigned n, int eventfd)
{
	patience_begin(l);
	return eventfd_tell(l, VHOST_USER_SET_VRING_CALL, n, eventfd);
}

bool vhost_user_link_is_not_yet(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED || r == -EAGAIN || r == -EPIPE ||
	       r == -ECONNRESET;
}

const char *vhost_user_link_loss(int r)
{
	switch (r) {
	case -ETIMEDOUT:
		return "does not answer";
	case -EPIPE:
	case -ECONNRESET:
		return "has ended";
	case -EFAULT:
		return "cannot have a ring that is not in memory";
	case -EREMOTEIO:
		return "refuses what it is asked for";
	case -EOPNOTSUPP:
		return "cannot have all of the guest's memory";
	default:
		return "answers what cannot be";
	}
}
