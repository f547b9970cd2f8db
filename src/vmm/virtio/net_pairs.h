/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_NET_PAIRS_H
#define VMM_VIRTIO_NET_PAIRS_H

#include "vmm/virtio/net_vhost.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct virtq;

/*
 * The pairs of queues that the host's kernel serves: each has a vhost-net and a queue of the tap.
 *
 * How it works. All pairs start together, when the driver says 'go', and stop together. The tap
 * spreads flows over the queues that are attached to it, so those of pairs that the driver does not
 * use are detached: a frame for them would lie there.
 *
 * Context: one thread at a time.
 */
#define NET_PAIRS_MAX 8

struct net_pair {
	int tap;
	bool detached;
	struct net_vhost vhost;
};

struct net_pairs {
	unsigned count; /* 0: vhost-net serves none */
	int error; /* an eventfd: the kernel cannot use a ring */
	bool running;
	struct net_pair pairs[NET_PAIRS_MAX];
};

#define NET_PAIRS_NONE ((struct net_pairs){.error = -1})

/* What a start needs, of each queue: receive and transmit of the first pair, then the next. */
struct net_pairs_start {
	uint64_t accepted; /* features of the driver */
	const struct virtq *queues;
	const int *kicks; /* eventfds: doorbells */
	int calls[2 * NET_PAIRS_MAX]; /* eventfds: interrupts */
	bool link;
};

/* Takes both descriptors over in any case. Return: 0, -E2BIG, -errno; then net_pairs_fini(). */
int net_pairs_add(struct net_pairs *s, int tap, int vhost, struct err *e);
void net_pairs_fini(struct net_pairs *s);

/* Features of rings that the driver may accept. */
uint64_t net_pairs_features(const struct net_pairs *s);

/*
 * Starts the pairs of which the driver has enabled both queues. The driver uses the first one.
 * Return: 0; -EFAULT a ring is not in RAM; -errno; then nothing runs.
 */
int net_pairs_start(struct net_pairs *s, const struct net_pairs_start *start);

/* When it returns, the kernel no longer touches guest memory. */
void net_pairs_stop(struct net_pairs *s);

/* From now on @eventfd is the interrupt of @queue. */
void net_pairs_set_call(struct net_pairs *s, unsigned queue, int eventfd);

/* Without a link, chains wait. */
void net_pairs_connect(struct net_pairs *s, bool link);

/* The driver uses the first @count pairs. */
void net_pairs_use(struct net_pairs *s, unsigned count);

#endif
