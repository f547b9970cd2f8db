/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/net.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/thread.h"
#include "vmm/virtio/net_line.h"
#include "vmm/virtio/pci.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/*
 * How it works
 *
 * Both queues are served by the main thread, under the device's lock, and nothing there waits: a
 * frame is copied into a buffer of the device, looked at, and handed on. So a reset finds no chain
 * in work. The line's descriptor is in the loop only for what can go on:
 *
 *	EPOLLIN		the driver has listed buffers, so a frame can be put somewhere
 *	EPOLLOUT	frames of the driver wait for the line, or for the next turn
 *
 * A frame that finds no buffers waits here, the line is not read, and its descriptor is out of the
 * loop, until the driver rings. The host's kernel, or the stream's sender, then drops what comes.
 * A vCPU thread touches neither the line nor the loop: it wakes the main thread, and a reset leaves
 * it to the main thread to take the descriptor out of the loop.
 *
 * A frame of the driver carries a header that the host's kernel acts upon. What it may ask for is
 * what the driver has accepted, and every offset lies in the frame; another frame is lost.
 */
#define QUEUE_RECEIVE 0
#define QUEUE_TRANSMIT 1
#define CLASS_ETHERNET 0x020000
#define MERGE_MAX 64 /* buffers of one frame */
#define TURN_FRAMES 128 /* then other devices have theirs */

#define FEATURES_OF_ANY \
	(BIT64(VIRTIO_NET_F_MAC) | BIT64(VIRTIO_NET_F_STATUS) | BIT64(VIRTIO_NET_F_MRG_RXBUF))
#define FEATURES_OF_TAP                                                         \
	(BIT64(VIRTIO_NET_F_CSUM) | BIT64(VIRTIO_NET_F_GUEST_CSUM) |            \
		BIT64(VIRTIO_NET_F_HOST_TSO4) | BIT64(VIRTIO_NET_F_HOST_TSO6) | \
		BIT64(VIRTIO_NET_F_GUEST_TSO4) | BIT64(VIRTIO_NET_F_GUEST_TSO6))

struct virtio_net {
	struct virtio_device device;
	struct virtio_pci pci;
	struct vm *vm;
	struct virtio_net_spec spec;
	struct net_line line;
	struct loop_source wake; /* an eventfd: a vCPU thread rang */
	struct loop_source source;
	bool watched; /* it is in the loop */
	bool running; /* the line knows what the driver has accepted */
	bool receives; /* the driver has buffers: the line is read */
	bool sends; /* frames wait */
	bool link;
	bool has_frame; /* one that waits for buffers */
	struct net_frame frame;
	struct virtq_chain first, chain;
	struct virtq_done done[MERGE_MAX];
	unsigned placed; /* chains that were taken for a frame */
	uint8_t out[NET_HEADER + NET_FRAME_MAX];
	struct log_guest misdeeds;
};

static struct virtio_net *net_of(struct virtio_device *d)
{
	return container_of(d, struct virtio_net, device);
}

static bool has_accepted(const struct virtio_net *n, unsigned bit)
{
	return n->device.accepted & BIT64(bit);
}

/* Brings the loop in line with what can go on. */
static void line_watch(struct virtio_net *n)
{
	const uint32_t events =
		(n->receives ? (uint32_t)EPOLLIN : 0) | (n->sends ? (uint32_t)EPOLLOUT : 0);

	if (n->watched && n->source.events == events)
		return;
	if (n->watched)
		loop_remove(&n->vm->loop, &n->source);
	n->source.events = events;
	n->watched = events && loop_add(&n->vm->loop, &n->source, NULL) >= 0;
}

static void link_lose(struct virtio_net *n)
{
	if (!n->link)
		return;
	n->link = n->receives = n->has_frame = false;
	log_warn(n->device.name, "%s is gone: the guest goes on without a link",
		n->spec.stream ? "the user-mode network" : "the tap of a network card");
	if (n->running)
		n->device.transport->changed(n->device.transport);
}

/*
 * Puts the frame into @n->first and as many chains as it needs; @n->placed counts them.
 * Return: 1; 0: the driver has too few for now; -EMSGSIZE it fits into none; -EPROTO.
 */
static int frame_place(struct virtio_net *n, struct virtq *q)
{
	const uint64_t size = NET_HEADER + (uint64_t)n->frame.size;
	const unsigned most = has_accepted(n, VIRTIO_NET_F_MRG_RXBUF) ? MERGE_MAX : 1;
	uint64_t placed = 0;

	for (n->placed = 0; placed < size;) {
		struct virtq_chain *c = n->placed ? &n->chain : &n->first;
		if (n->placed == most)
			return -EMSGSIZE;
		int r = virtq_take(q, c);
		if (r <= 0)
			return r;
		const uint64_t step = min_u64(c->in_size, size - placed);
		const uint64_t header = n->placed ? 0 : NET_HEADER;
		n->done[n->placed++] = (struct virtq_done){c->generation, c->head, (uint32_t)step};
		if (step < header)
			return -EMSGSIZE;
		(void)virtq_write(
			q, c, header, n->frame.bytes + placed + header - NET_HEADER, step - header);
		placed += step;
	}
	return 1;
}

/* The number of chains goes into the first one before the driver sees any. */
static void frame_return(struct virtio_net *n, struct virtq *q)
{
	le16_put(n->frame.header + offsetof(struct virtio_net_hdr_v1, num_buffers),
		(uint16_t)n->placed);
	(void)virtq_write(q, &n->first, 0, n->frame.header, NET_HEADER);
	virtq_return_together(q, n->done, n->placed);
}

/*
 * Return: true: the frame is done with; false: it waits for the driver, which rings when it has
 * listed more than there is now.
 */
static bool frame_deliver(struct virtio_net *n)
{
	struct virtq *q = &n->device.queues[QUEUE_RECEIVE];
	int r;

	while ((r = frame_place(n, q)) == 0) {
		const bool more = virtq_listen(q);
		virtq_untake(q, n->placed);
		if (!more)
			return false;
	}
	if (r == -EMSGSIZE) {
		virtq_untake(q, n->placed);
		log_guest(&n->misdeeds, n->device.name,
			"a frame of %u bytes does not fit into what the guest's driver lists",
			n->frame.size);
	}
	if (r > 0)
		frame_return(n, q);
	return r != -EPROTO;
}

/* The tap may have queued a frame for the driver of before, which had accepted more. */
static bool header_is_wanted(const struct virtio_net *n)
{
	const unsigned flags = n->frame.header[offsetof(struct virtio_net_hdr_v1, flags)];
	const unsigned gso = n->frame.header[offsetof(struct virtio_net_hdr_v1, gso_type)];

	if (flags && !has_accepted(n, VIRTIO_NET_F_GUEST_CSUM))
		return false;
	return gso == VIRTIO_NET_HDR_GSO_NONE ||
	       (gso == VIRTIO_NET_HDR_GSO_TCPV4 && has_accepted(n, VIRTIO_NET_F_GUEST_TSO4)) ||
	       (gso == VIRTIO_NET_HDR_GSO_TCPV6 && has_accepted(n, VIRTIO_NET_F_GUEST_TSO6));
}

/* Return: 1; 0 none is there; -errno the line is gone. */
static int frame_fetch(struct virtio_net *n)
{
	if (n->has_frame)
		return 1;
	int r = net_line_read(&n->line, &n->frame);
	if (r < 0)
		link_lose(n);
	n->has_frame = r > 0;
	return r;
}

/* What a stream has in its buffer is not left there: its descriptor would not tell of it. */
static void net_receive(struct virtio_net *n)
{
	virtq_silence(&n->device.queues[QUEUE_RECEIVE]);
	n->receives = true;
	for (unsigned i = 0; i < TURN_FRAMES || net_line_has_frame(&n->line); i++) {
		if (frame_fetch(n) <= 0)
			break;
		if (header_is_wanted(n) && !frame_deliver(n)) {
			n->receives = false;
			break;
		}
		n->has_frame = false;
	}
	virtio_returned(&n->device, QUEUE_RECEIVE);
}

/* Return: NULL, or why this frame is not sent: @h and @size bytes of frame are the driver's. */
static const char *header_fault(
	const struct virtio_net *n, struct virtio_net_hdr_v1 *h, uint32_t size)
{
	const unsigned gso = h->gso_type;
	const uint32_t sum = (uint32_t)le16toh(h->csum_start) + le16toh(h->csum_offset);

	/* Ref: virtio 1.2, 5.1.6.2.1: flags that the device does not know are not seen. */
	h->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->num_buffers = 0;
	if (h->flags && !has_accepted(n, VIRTIO_NET_F_CSUM))
		return "asks for a checksum, which was not agreed upon";
	if (h->flags && sum + 2 > size)
		return "has its checksum behind its end";
	if (gso == VIRTIO_NET_HDR_GSO_NONE)
		return NULL;
	if (!(gso == VIRTIO_NET_HDR_GSO_TCPV4 && has_accepted(n, VIRTIO_NET_F_HOST_TSO4)) &&
		!(gso == VIRTIO_NET_HDR_GSO_TCPV6 && has_accepted(n, VIRTIO_NET_F_HOST_TSO6)))
		return "is to be cut up in a way that was not agreed upon";
	if (!h->flags || !le16toh(h->gso_size) || le16toh(h->hdr_len) > size)
		return "is to be cut up into parts that cannot be";
	return NULL;
}

/* Reads the frame of the chain once. Return: its size with the header, 0: it is not to be sent. */
static uint32_t frame_read(struct virtio_net *n, struct virtq *q)
{
	const struct virtq_chain *c = &n->chain;
	struct virtio_net_hdr_v1 header;
	const char *fault = NULL;

	if (c->out_size < NET_HEADER + NET_FRAME_MIN || c->out_size > sizeof(n->out))
		fault = "has no such size";
	else if (virtq_read(q, c, 0, n->out, c->out_size) < 0)
		fault = "is not in RAM";
	if (!fault) {
		memcpy(&header, n->out, NET_HEADER);
		fault = header_fault(n, &header, (uint32_t)c->out_size - NET_HEADER);
		memcpy(n->out, &header, NET_HEADER);
	}
	if (!fault)
		return (uint32_t)c->out_size;
	log_guest(&n->misdeeds, n->device.name, "a frame of the guest's driver %s", fault);
	return 0;
}

/* Return: 0 the chain is done with, -EAGAIN it waits. */
static int frame_send(struct virtio_net *n, struct virtq *q)
{
	const uint32_t size = n->link ? frame_read(n, q) : 0;

	int r = size ? net_line_write(&n->line, n->out, size) : 0;
	if (r == -EAGAIN) {
		virtq_untake(q, 1);
		return r;
	}
	if (r < 0)
		link_lose(n);
	virtq_return(q, &n->chain, 0);
	return 0;
}

/* Return: false: more is left for the next turn. */
static bool frames_send(struct virtio_net *n, struct virtq *q)
{
	unsigned turn = 0;
	int r;

	virtq_silence(q);
	do {
		while ((r = virtq_take(q, &n->chain)) > 0) {
			if (frame_send(n, q) < 0 || ++turn == TURN_FRAMES)
				return false;
		}
	} while (r == 0 && virtq_listen(q));
	return true;
}

/* Without a link, frames are still taken from the driver, and lost. */
static void net_transmit(struct virtio_net *n)
{
	n->sends = !frames_send(n, &n->device.queues[QUEUE_TRANSMIT]);
	int r = net_line_flush(&n->line);
	if (r == -EAGAIN)
		n->sends = true;
	else if (r < 0)
		link_lose(n);
	virtio_returned(&n->device, QUEUE_TRANSMIT);
}

/* The first time after the driver said 'go'. */
static void net_start(struct virtio_net *n)
{
	unsigned flags = 0;

	if (n->running)
		return;
	n->running = true;
	if (has_accepted(n, VIRTIO_NET_F_GUEST_CSUM))
		flags |= TUN_F_CSUM;
	if (flags && has_accepted(n, VIRTIO_NET_F_GUEST_TSO4))
		flags |= TUN_F_TSO4;
	if (flags && has_accepted(n, VIRTIO_NET_F_GUEST_TSO6))
		flags |= TUN_F_TSO6;
	net_line_set_offload(&n->line, flags);
}

WALL_CALL(vcpu, write);

static void net_rang(struct virtio_device *d, unsigned queue)
{
	struct virtio_net *n = net_of(d);

	if (thread_is_vcpu) {
		(void)eventfd_write(n->wake.fd, 1);
		return;
	}
	net_start(n);
	if (queue == QUEUE_TRANSMIT)
		net_transmit(n);
	else if (n->link)
		net_receive(n);
	line_watch(n);
}

/*
 * Context: main thread. A queue that the driver has taken away, or broken, is not served: then
 * the line is not watched for it.
 */
static void line_ready(struct loop_source *s, uint32_t events)
{
	struct virtio_net *n = container_of(s, struct virtio_net, source);

	lock_take(n->device.lock);
	if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN))
		link_lose(n);
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
		n->sends = false;
		virtio_rang(&n->device, QUEUE_TRANSMIT);
	}
	if (events & EPOLLIN) {
		n->receives = false;
		virtio_rang(&n->device, QUEUE_RECEIVE);
	}
	line_watch(n);
	lock_drop(n->device.lock);
}

/* Context: main thread. */
static void on_wake(struct loop_source *s, uint32_t events)
{
	struct virtio_net *n = container_of(s, struct virtio_net, wake);
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	lock_take(n->device.lock);
	for (unsigned i = 0; i < n->device.ops->queue_count; i++)
		virtio_rang(&n->device, i);
	lock_drop(n->device.lock);
}

static void net_reset(struct virtio_device *d)
{
	struct virtio_net *n = net_of(d);

	n->running = n->receives = n->sends = n->has_frame = false;
}

static void net_config_read(struct virtio_device *d, uint32_t off, void *to, uint32_t len)
{
	const struct virtio_net *n = net_of(d);
	uint8_t bytes[offsetof(struct virtio_net_config, speed)] = {0};

	memcpy(bytes, n->spec.mac, sizeof(n->spec.mac));
	le16_put(bytes + offsetof(struct virtio_net_config, status),
		n->link ? VIRTIO_NET_S_LINK_UP : 0);
	le16_put(bytes + offsetof(struct virtio_net_config, max_virtqueue_pairs), 1);
	le16_put(bytes + offsetof(struct virtio_net_config, mtu), n->spec.mtu);
	memcpy(to, bytes + off, len);
}

static void net_free(struct virtio_net *n)
{
	net_line_fini(&n->line);
	fd_close(&n->wake.fd);
	free(n);
}

static void net_fini(struct virtio_device *d)
{
	struct virtio_net *n = net_of(d);

	loop_remove(&n->vm->loop, &n->wake);
	if (n->watched)
		loop_remove(&n->vm->loop, &n->source);
	loop_settle(&n->vm->loop);
	net_free(n);
}

static const struct virtio_ops net_ops = {
	.name = "virtio-net",
	.type = VIRTIO_TYPE_NET,
	.queue_count = 2,
	.features = FEATURES_OF_ANY | FEATURES_OF_TAP | BIT64(VIRTIO_NET_F_MTU),
	.config_size = offsetof(struct virtio_net_config, speed),
	.config_read = net_config_read,
	.rang = net_rang,
	.reset = net_reset,
	.fini = net_fini,
};

WALL_CALL(main, eventfd2);

static int net_open(struct virtio_net *n, int fd, struct err *e)
{
	n->source = (struct loop_source){.fd = fd, .ready = line_ready};
	n->wake = (struct loop_source){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = on_wake};
	const int r = n->wake.fd < 0 ? -errno : 0;
	const int line = net_line_init(&n->line, fd, n->spec.stream, e);
	if (r < 0)
		return err_set(e, r, "make a virtio-net");
	return line < 0 ? line : loop_add(&n->vm->loop, &n->wake, e);
}

static int net_plug(struct virtio_net *n, struct err *e)
{
	int r = virtio_pci_init(&n->pci, n->vm, &n->device, CLASS_ETHERNET, e);

	if (r >= 0)
		r = pci_plug(n->vm, &n->pci.endpoint.func, "virtio-net", e);
	if (r < 0)
		virtio_pci_fini(&n->pci);
	return r;
}

int virtio_net_add(struct vm *vm, const struct virtio_net_spec *s, int fd, struct err *e)
{
	struct virtio_net *n = calloc(1, sizeof(*n));

	if (!n) {
		fd_close(&fd);
		return err_set(e, -ENOMEM, "make a virtio-net");
	}
	n->vm = vm;
	n->spec = *s;
	n->link = true;
	virtio_init(&n->device, &net_ops, vm->name, &vm->memory);
	if (s->stream || s->no_offload)
		n->device.offered &= ~FEATURES_OF_TAP;
	if (!s->mtu)
		n->device.offered &= ~BIT64(VIRTIO_NET_F_MTU);
	int r = net_open(n, fd, e);
	if (r < 0) {
		net_free(n);
		return r;
	}
	return net_plug(n, e);
}
