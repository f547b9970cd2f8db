/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/net.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/thread.h"
#include "vmm/virtio/net_copy.h"
#include "vmm/virtio/net_ctrl.h"
#include "vmm/virtio/net_header.h"
#include "vmm/virtio/net_line.h"
#include "vmm/virtio/nets.h"
#include "vmm/virtio/pci.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/*
 * How it works
 *
 * Frames go one of two ways. Either the kernel's vhost-net serves the queues, and this process sets
 * it up and takes it down; or the main thread copies frames between the queues and the line
 * (vmm/virtio/net_copy.h), and the line's descriptor is in the loop only for what can go on:
 *
 *	EPOLLIN		the driver has listed buffers, so a frame can be put somewhere
 *	EPOLLOUT	frames of the driver wait for the line, or for the next turn
 *
 * The line is not read while the driver has no buffers: the host's kernel, or the stream's sender,
 * then drops what comes. A vCPU thread touches neither the line, nor the loop, nor vhost: it wakes
 * the main thread. A reset by the driver reads back 0 when the main thread has stopped vhost.
 */
#define CLASS_ETHERNET 0x020000
#define QUEUES_MAX (2 * NET_PAIRS_MAX + 1) /* and the control queue */

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
	struct loop_source wake; /* an eventfd: a vCPU thread rang */
	struct loop_source source;
	int kicks[QUEUES_MAX]; /* the doorbells' eventfds, which stay the transport's */
	struct net_pairs pairs;
	/* Eventfds of vhost: chains came back, and there is no MSI-X; a ring is nowhere. */
	struct loop_source called, failed;
	struct loop_source ctrl; /* the doorbell of a control queue that follows the first pair */
	struct virtq_chain command;
	bool cut; /* atomic: the cable is to be out */
	bool rewired; /* its interrupts are others now */
	bool watched; /* it is in the loop */
	bool running; /* the line knows what the driver has accepted */
	struct net_copy copy;
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
	const uint32_t events = (n->copy.receives ? (uint32_t)EPOLLIN : 0) |
				(n->copy.sends ? (uint32_t)EPOLLOUT : 0);

	if (n->watched && n->source.events == events)
		return;
	if (n->watched)
		loop_remove(&n->vm->loop, &n->source);
	n->source.events = events;
	n->watched = events && loop_add(&n->vm->loop, &n->source, NULL) >= 0;
}

/* Ref: virtio 1.2, 5.1.2: a driver without several pairs has the control queue after the first. */
static unsigned ctrl_queue(const struct virtio_net *n)
{
	return has_accepted(n, VIRTIO_NET_F_MQ) ? 2 * n->pairs.count : 2;
}

static bool is_ctrl_queue(const struct virtio_net *n, unsigned queue)
{
	return has_accepted(n, VIRTIO_NET_F_CTRL_VQ) && queue == ctrl_queue(n);
}

static void ctrl_serve(struct virtio_net *n)
{
	struct virtq *q = &n->device.queues[ctrl_queue(n)];
	int r;

	virtq_silence(q);
	do {
		while ((r = virtq_take(q, &n->command)) > 0) {
			const unsigned pairs = net_ctrl_parse(q, &n->command, n->pairs.count);
			if (pairs)
				net_pairs_use(&n->pairs, pairs);
			net_ctrl_answer(q, &n->command, pairs);
		}
	} while (r == 0 && virtq_listen(q));
	virtio_returned(&n->device, ctrl_queue(n));
}

/* Its doorbell is one that vhost waits for in a driver with several pairs. */
static void ctrl_watch(struct virtio_net *n)
{
	if (!is_ctrl_queue(n, 2) || n->pairs.count < 2 || n->ctrl.fd >= 0)
		return;
	n->ctrl.fd = n->kicks[2];
	(void)loop_add(&n->vm->loop, &n->ctrl, NULL);
}

static void vhost_end(struct virtio_net *n)
{
	net_pairs_stop(&n->pairs);
	if (n->ctrl.fd >= 0)
		loop_remove(&n->vm->loop, &n->ctrl);
	n->ctrl.fd = -1;
}

/* A ring that the kernel cannot use is one that the driver has put nowhere. */
static void vhost_break(struct virtio_net *n)
{
	struct virtq *q = &n->device.queues[NET_RECEIVE];

	vhost_end(n);
	q->broken = true;
	q->why = "the host's kernel cannot use its rings";
	virtio_returned(&n->device, NET_RECEIVE);
}

/* The eventfd by which the kernel tells of chains that it has returned to queue @i. */
static int vhost_call_fd(struct virtio_net *n, unsigned i)
{
	const int fd = virtio_signal_fd(&n->device, i);

	return fd < 0 ? n->called.fd : fd;
}

static void vhost_begin(struct virtio_net *n)
{
	struct net_pairs_start start = {.accepted = n->device.accepted,
		.queues = n->device.queues,
		.kicks = n->kicks,
		.link = net_copy_has_link(&n->copy)};

	for (unsigned i = 0; i < 2 * n->pairs.count; i++)
		start.calls[i] = vhost_call_fd(n, i);
	if (net_pairs_start(&n->pairs, &start) < 0)
		vhost_break(n);
	else
		ctrl_watch(n);
}

/* The first time after the driver said 'go'. */
static void net_start(struct virtio_net *n)
{
	if (n->running)
		return;
	n->running = true;
	net_line_set_offload(&n->copy.line, net_header_offloads(n->device.accepted));
	if (n->pairs.count)
		vhost_begin(n);
}

WALL_CALL(main | vcpu | worker, write);

static void main_wake(struct virtio_net *n)
{
	(void)eventfd_write(n->wake.fd, 1);
}

/* With vhost, this is a doorbell that KVM did not take, or 'go'. */
static void net_rang(struct virtio_device *d, unsigned queue)
{
	struct virtio_net *n = net_of(d);

	if (thread_is_vcpu) {
		main_wake(n);
		return;
	}
	net_start(n);
	if (is_ctrl_queue(n, queue)) {
		ctrl_serve(n);
		return;
	}
	if (n->pairs.count) {
		(void)eventfd_write(n->kicks[queue], 1);
		return;
	}
	if (queue == NET_TRANSMIT)
		net_copy_transmit(&n->copy);
	else if (net_copy_has_link(&n->copy))
		net_copy_receive(&n->copy);
	line_watch(n);
}

/* The kernel waits for it. */
static bool net_watches(struct virtio_device *d, unsigned queue, int eventfd)
{
	struct virtio_net *n = net_of(d);

	n->kicks[queue] = eventfd;
	return queue < 2 * n->pairs.count;
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
		net_copy_lose(&n->copy);
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
		n->copy.sends = false;
		virtio_rang(&n->device, NET_TRANSMIT);
	}
	if (events & EPOLLIN) {
		n->copy.receives = false;
		virtio_rang(&n->device, NET_RECEIVE);
	}
	line_watch(n);
	lock_drop(n->device.lock);
}

/* Interrupts may have been signalled to where nobody listens any more: one more does no harm. */
static void vhost_rewire(struct virtio_net *n)
{
	if (!n->rewired || !n->pairs.running)
		return;
	n->rewired = false;
	for (unsigned i = 0; i < 2 * n->pairs.count; i++) {
		net_pairs_set_call(&n->pairs, i, vhost_call_fd(n, i));
		n->device.transport->interrupt(n->device.transport, i);
	}
}

/* Frames that wait are the host's to drop, and the driver's to send again. */
static void link_apply(struct virtio_net *n)
{
	const bool cut = __atomic_load_n(&n->cut, __ATOMIC_ACQUIRE);

	if (n->copy.down == cut)
		return;
	n->copy.down = cut;
	n->copy.receives = n->copy.receives && !cut;
	net_pairs_connect(&n->pairs, net_copy_has_link(&n->copy));
	if (!n->pairs.count)
		line_watch(n);
	virtio_config_changed(&n->device);
}

/* Context: main thread. */
static void on_wake(struct loop_source *s, uint32_t events)
{
	struct virtio_net *n = container_of(s, struct virtio_net, wake);
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	lock_take(n->device.lock);
	if (!n->running && n->pairs.running)
		vhost_end(n);
	vhost_rewire(n);
	link_apply(n);
	for (unsigned i = 0; i < n->device.queue_count; i++)
		virtio_rang(&n->device, i);
	lock_drop(n->device.lock);
}

/* Context: main thread. The driver has no MSI-X: the interrupt is ours. */
static void on_called(struct loop_source *s, uint32_t events)
{
	struct virtio_net *n = container_of(s, struct virtio_net, called);
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	lock_take(n->device.lock);
	for (unsigned i = 0; n->running && i < 2 * n->pairs.count; i++)
		n->device.transport->interrupt(n->device.transport, i);
	lock_drop(n->device.lock);
}

/* Context: main thread. */
static void on_error(struct loop_source *s, uint32_t events)
{
	struct virtio_net *n = container_of(s, struct virtio_net, failed);
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	lock_take(n->device.lock);
	if (n->running)
		vhost_break(n);
	lock_drop(n->device.lock);
}

/* Context: main thread. */
static void on_ctrl(struct loop_source *s, uint32_t events)
{
	struct virtio_net *n = container_of(s, struct virtio_net, ctrl);
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	lock_take(n->device.lock);
	virtio_rang(&n->device, 2);
	lock_drop(n->device.lock);
}

static void net_rewired(struct virtio_device *d)
{
	struct virtio_net *n = net_of(d);

	if (!n->pairs.running)
		return;
	n->rewired = true;
	main_wake(n);
}

/* A vCPU leaves it to the main thread, and the driver waits until that is done. */
static void net_reset(struct virtio_device *d)
{
	struct virtio_net *n = net_of(d);

	n->running = n->rewired = false;
	net_copy_reset(&n->copy);
	if (!n->pairs.running)
		return;
	if (thread_is_vcpu)
		main_wake(n);
	else
		vhost_end(n);
}

static bool net_is_drained(struct virtio_device *d, unsigned n)
{
	return !net_of(d)->pairs.running;
}

static void net_config_read(struct virtio_device *d, uint32_t off, void *to, uint32_t len)
{
	const struct virtio_net *n = net_of(d);
	uint8_t bytes[offsetof(struct virtio_net_config, speed)] = {0};

	memcpy(bytes, n->spec.mac, sizeof(n->spec.mac));
	le16_put(bytes + offsetof(struct virtio_net_config, status),
		net_copy_has_link(&n->copy) ? VIRTIO_NET_S_LINK_UP : 0);
	le16_put(bytes + offsetof(struct virtio_net_config, max_virtqueue_pairs),
		(uint16_t)max_u64(n->pairs.count, 1));
	le16_put(bytes + offsetof(struct virtio_net_config, mtu), n->spec.mtu);
	memcpy(to, bytes + off, len);
}

static void net_free(struct virtio_net *n)
{
	net_pairs_fini(&n->pairs);
	fd_close(&n->called.fd);
	net_line_fini(&n->copy.line);
	fd_close(&n->wake.fd);
	free(n);
}

/* Has virtio_net_set_link() find @entry: the card, or none. */
static void net_list(struct virtio_net *n, struct virtio_net *entry)
{
	lock_take(&n->vm->nets.lock);
	n->vm->nets.of[n->spec.number] = entry;
	n->vm->nets.had[n->spec.number] = true;
	lock_drop(&n->vm->nets.lock);
}

static void net_fini(struct virtio_device *d)
{
	struct virtio_net *n = net_of(d);

	net_list(n, NULL);
	loop_remove(&n->vm->loop, &n->wake);
	if (n->watched)
		loop_remove(&n->vm->loop, &n->source);
	if (n->pairs.count) {
		vhost_end(n);
		loop_remove(&n->vm->loop, &n->called);
		loop_remove(&n->vm->loop, &n->failed);
	}
	loop_settle(&n->vm->loop);
	net_free(n);
}

static const struct virtio_ops net_ops = {
	.name = "virtio-net",
	.type = VIRTIO_TYPE_NET,
	.queue_count = 2,
	.in_order = true,
	.features = FEATURES_OF_ANY | FEATURES_OF_TAP | BIT64(VIRTIO_NET_F_MTU),
	.config_size = offsetof(struct virtio_net_config, speed),
	.config_read = net_config_read,
	.rang = net_rang,
	.watches = net_watches,
	.rewired = net_rewired,
	.reset = net_reset,
	.is_drained = net_is_drained,
	.fini = net_fini,
};

WALL_CALL(main, eventfd2);
WALL_CALL(main, fcntl, F_DUPFD_CLOEXEC);

static int source_open(struct virtio_net *n, struct loop_source *s,
	void (*ready)(struct loop_source *s, uint32_t events), struct err *e)
{
	*s = (struct loop_source){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = ready};
	return s->fd < 0 ? err_set(e, -errno, "make a virtio-net") : loop_add(&n->vm->loop, s, e);
}

/* The line keeps the first tap: its pair has a copy. */
static int vhost_open(struct virtio_net *n, struct err *e)
{
	const struct virtio_net_spec *s = &n->spec;

	if (s->vhost < 0)
		return 0;
	const int tap = fcntl(n->copy.line.fd, F_DUPFD_CLOEXEC, 0);
	int r = net_pairs_add(&n->pairs, tap, s->vhost, e);
	for (unsigned i = 0; i < s->more_count; i++) {
		const int more = net_pairs_add(&n->pairs, s->more[i].tap, s->more[i].vhost, e);
		r = r < 0 ? r : more;
	}
	if (r < 0)
		return r;
	n->device.queue_count = 2 * n->pairs.count + (n->pairs.count > 1);
	n->failed = (struct loop_source){.fd = n->pairs.error, .ready = on_error};
	r = source_open(n, &n->called, on_called, e);
	return r < 0 ? r : loop_add(&n->vm->loop, &n->failed, e);
}

static int net_open(struct virtio_net *n, int fd, struct err *e)
{
	n->source = (struct loop_source){.fd = fd, .ready = line_ready};
	int r = net_line_init(&n->copy.line, fd, n->spec.stream, e);
	if (r == 0)
		r = source_open(n, &n->wake, on_wake, e);
	return r < 0 ? r : vhost_open(n, e);
}

static int net_plug(struct virtio_net *n, struct err *e)
{
	int r = virtio_pci_init(&n->pci, n->vm, &n->device, CLASS_ETHERNET, e);

	if (r >= 0)
		r = pci_plug(n->vm, &n->pci.endpoint.func, "virtio-net", e);
	if (r < 0)
		virtio_pci_fini(&n->pci);
	else
		net_list(n, n);
	return r;
}

static uint64_t net_offered(const struct virtio_net *n)
{
	uint64_t offered = n->device.offered;

	if (n->spec.stream || n->spec.no_offload)
		offered &= ~FEATURES_OF_TAP;
	if (!n->spec.mtu)
		offered &= ~BIT64(VIRTIO_NET_F_MTU);
	if (n->pairs.count > 1)
		offered |= BIT64(VIRTIO_NET_F_MQ) | BIT64(VIRTIO_NET_F_CTRL_VQ);
	if (n->pairs.count)
		offered &= ~VHOST_NEVER;
	return offered & (net_pairs_features(&n->pairs) | ~NET_VHOST_FEATURES);
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
	n->copy.device = &n->device;
	n->copy.reaches_host = s->reaches_host;
	n->pairs = NET_PAIRS_NONE;
	n->wake.fd = n->called.fd = -1;
	n->ctrl = (struct loop_source){.fd = -1, .ready = on_ctrl};
	virtio_init(&n->device, &net_ops, vm->name, &vm->memory);
	int r = net_open(n, fd, e);
	if (r < 0) {
		net_free(n);
		return r;
	}
	n->device.offered = net_offered(n);
	return net_plug(n, e);
}

/* A line that is not watched may be gone without notice, as that of a cable which was pulled. */
static int link_set(struct virtio_net *n, bool up)
{
	if (n->copy.gone && !up)
		return -EALREADY;
	if (n->copy.gone || (up && !net_line_has_peer(&n->copy.line)))
		return -EPIPE;
	int r = __atomic_exchange_n(&n->cut, !up, __ATOMIC_ACQ_REL) == !up ? -EALREADY : 0;
	main_wake(n);
	return r;
}

int virtio_net_set_link(struct vm *vm, unsigned n, bool up)
{
	if (n >= VIRTIO_NETS_MAX)
		return -ENXIO;
	lock_take(&vm->nets.lock);
	struct virtio_net *net = vm->nets.of[n];
	int r = net ? link_set(net, up) : vm->nets.had[n] ? -ENODEV : -ENXIO;
	lock_drop(&vm->nets.lock);
	return r;
}
