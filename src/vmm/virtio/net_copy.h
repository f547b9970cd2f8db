/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_NET_COPY_H
#define VMM_VIRTIO_NET_COPY_H

#include "base/log.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/net_batch.h"
#include "vmm/virtio/net_line.h"
#include "vmm/virtio/queue.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The frames of a network card, between its two queues and its line.
 *
 * How it works. Nothing here waits: a frame is copied into a buffer, looked at, and handed on; of
 * one for a stream only the beginning is copied. A frame for which the driver has listed too few
 * buffers stays here, and the line is not read on. One that the line does not take stays in the
 * driver's queue. `receives` and `sends` say what can go on when the line is readable, or writable.
 *
 * Context: under the lock of the device, one thread at a time.
 */
#define NET_RECEIVE 0 /* the queues */
#define NET_TRANSMIT 1
#define NET_MERGE_MAX 64 /* buffers of one frame */
#define NET_ACKS_MAX 16 /* what does not fit in is asked for again */

struct net_copy {
	struct virtio_device *device;
	struct net_line line;
	bool gone; /* the line has nobody at its other end */
	bool down; /* by command */
	bool receives; /* the driver has buffers: the line is read */
	bool sends; /* frames wait */
	bool has_frame; /* one that waits for buffers */
	struct net_frame frame;
	struct virtq_chain first, chain;
	struct virtq_done done[NET_MERGE_MAX];
	unsigned placed; /* chains that were taken for a frame */
	uint8_t out[NET_HEADER + NET_FRAME_MAX]; /* a frame for a tap, or the beginning of one */
	struct net_batch batch; /* frames for a stream; empty between calls */
	struct net_ack acks[NET_ACKS_MAX]; /* frames for the driver that the stream leaves out */
	unsigned ack_count;
	struct net_ack ack; /* the one that is on its way */
	bool reaches_host; /* the guest may send to addresses of the host's loopback */
	struct log_guest misdeeds;
};

/* Whether the driver finds a link. */
bool net_copy_has_link(const struct net_copy *c);

/* The driver has listed buffers, or the line has frames. */
void net_copy_receive(struct net_copy *c);

/* The driver has listed frames, or the line takes more. Without a link they are lost. */
void net_copy_transmit(struct net_copy *c);

/* The line is gone: says so once, to the user and to the driver. */
void net_copy_lose(struct net_copy *c);

/* Nothing waits any more. */
void net_copy_reset(struct net_copy *c);

#endif
