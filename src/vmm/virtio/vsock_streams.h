/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_VSOCK_STREAMS_H
#define VMM_VIRTIO_VSOCK_STREAMS_H

#include "vmm/virtio/vsock_packet.h"
#include "vmm/virtio/vsock_stream.h"

#include <stdbool.h>
#include <stdint.h>

struct virtq;
struct virtq_chain;

/*
 * All connections of a virtio-vsock that usher-vmm serves.
 *
 * How it works. What a connection owes the guest is a few bits of its entry, so nothing queues up
 * for a guest that takes nothing. Only answers to packets that belong to no connection have a
 * queue, and while that is full, none of the guest's packets is taken.
 *
 * Context: the main thread, under the lock of the device, but for what a comment says.
 */
#define VSOCK_STREAMS_MAX 128
#define VSOCK_DOORS_MAX 16 /* programs of the host that have not said to which port */
#define VSOCK_REPLIES_MAX 64

struct vsock_streams {
	struct loop *loop;
	void (*ready)(struct loop_source *s, uint32_t events); /* of each connection's socket */
	void *owner; /* for that */
	uint64_t cid; /* the guest's */
	struct vsock_stream list[VSOCK_STREAMS_MAX];
	unsigned turn; /* whose bytes are next */
	uint64_t tickets;
	uint32_t next_port; /* of the host, for connections to the guest */
	struct vsock_packet replies[VSOCK_REPLIES_MAX];
	unsigned reply_start, reply_count;
};

void vsock_streams_init(struct vsock_streams *t, struct loop *l, uint64_t cid,
	void (*ready)(struct loop_source *s, uint32_t events), void *owner);

/* Closes all: the guest has forgotten them, and what it was to get. */
void vsock_streams_close(struct vsock_streams *t);

/* Takes over @fd: a program of the host has come. Return: false: there is no room. */
bool vsock_streams_admit(struct vsock_streams *t, int fd);

/* What the loop says of the socket of @s. */
void vsock_streams_notice(struct vsock_streams *t, struct vsock_stream *s, uint32_t events);

/*
 * Whether the keeper is to be asked for a connection; for which one, NULL: none. Context: under the
 * lock alone.
 */
bool vsock_streams_calls(const struct vsock_streams *t);
struct vsock_stream *vsock_streams_calling(struct vsock_streams *t);

/* The keeper's answer, taken over: a socket, -errno. Context: under the lock alone. */
void vsock_streams_called(struct vsock_streams *t, struct vsock_stream *s, uint64_t ticket, int fd);

/* Whether a packet of the guest can be taken. */
bool vsock_streams_has_room(const struct vsock_streams *t);

/* A packet of the guest, with its payload in chain @c. */
void vsock_streams_take(struct vsock_streams *t, const struct vsock_packet *p,
	const struct virtq *q, const struct virtq_chain *c);

/* Whether there may be something for the guest. */
bool vsock_streams_wants(const struct vsock_streams *t);

/*
 * Writes the next packet for the guest into chain @c. Return: its size; 0 there is none; -EFAULT
 * the chain is not in RAM, or has no room for a header.
 */
int64_t vsock_streams_give(
	struct vsock_streams *t, const struct virtq *q, const struct virtq_chain *c);

#endif
