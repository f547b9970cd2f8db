/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_NET_LINE_H
#define VMM_VIRTIO_NET_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct iovec;

/*
 * Where a network card's frames come from and go to: a tap of the host, or a stream socket to a
 * user-mode network stack. No call blocks.
 *
 * How it works. A tap takes and gives one frame a call, with the virtio header in front, so the
 * kernel sums and cuts up frames for the guest. A stream has frames one after the other, each with
 * its length in front; a read brings many of them, a call sends many (vmm/virtio/net_batch.h). A
 * frame goes out whole: what the socket does not take waits here, before any later frame.
 *
 * Context: one thread at a time.
 */
#define NET_HEADER 12 /* [bytes] struct virtio_net_hdr_v1. Ref: virtio 1.2, 5.1.6 */
#define NET_FRAME_MIN 14 /* [bytes] an Ethernet header */
#define NET_FRAME_MAX 65553 /* [bytes] 64 KiB - 1 behind an Ethernet header with a VLAN tag */
#define NET_STREAM_ROOM (2 * (4 + NET_FRAME_MAX))

struct net_frame {
	uint8_t header[NET_HEADER];
	const uint8_t *bytes; /* the line's, until the next read */
	uint32_t size; /* [bytes] of it */
};

struct net_line {
	int fd; /* -1: it is gone */
	bool stream;
	uint8_t *in; /* NET_STREAM_ROOM */
	size_t in_start, in_end; /* of a stream: what was read and not yet taken */
	bool drained; /* the last read took all */
	uint8_t *out; /* NET_STREAM_ROOM, of a stream: the rest of what was sent last */
	size_t out_start, out_end; /* what waits */
};

/* Takes @fd over in any case. Return: 0, -ENOMEM, -errno. */
int net_line_init(struct net_line *l, int fd, bool stream, struct err *e);
void net_line_fini(struct net_line *l);

/* Return: 1; 0 there is none now; -EPIPE the other end is gone; -EPROTO it is no such line. */
int net_line_read(struct net_line *l, struct net_frame *ret);

/* Whether anybody is at its other end now. */
bool net_line_has_peer(const struct net_line *l);

/* Whether a read brings a frame without a look at the descriptor. */
bool net_line_has_frame(const struct net_line *l);

/*
 * Sends a frame with its header into a tap, @size bytes of both. One that the host does not want is
 * lost. Return: 0; -EAGAIN the tap is full; -EPIPE.
 */
int net_line_write(struct net_line *l, const uint8_t *header_and_frame, size_t size);

/*
 * Sends frames with their lengths into a stream, at most NET_STREAM_ROOM bytes. If the socket takes
 * a part, the rest waits here. Return: 0; -EAGAIN nothing is sent; -EPIPE.
 */
int net_line_send(struct net_line *l, struct iovec *parts, unsigned count);

/* Return: 0 nothing waits; -EAGAIN something does, until the descriptor is writable; -EPIPE. */
int net_line_flush(struct net_line *l);

/* What the tap may leave undone in frames for the guest, TUN_F_…. A stream leaves nothing. */
void net_line_set_offload(struct net_line *l, unsigned flags);

#endif
