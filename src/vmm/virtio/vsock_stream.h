/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_VSOCK_STREAM_H
#define VMM_VIRTIO_VSOCK_STREAM_H

#include "vmm/loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct virtq;
struct virtq_chain;
struct vsock_packet;

/*
 * One connection between a program of the guest and one of the host, whose end is a unix socket.
 *
 * How it works. Each side keeps a room for bytes that its program has not taken, and tells the
 * other one how large it is and how much has left it (credit). So a guest never sends more than
 * VSOCK_ROOM bytes that its peer has not read, and one that does breaks the connection. Bytes go
 * from guest memory into the socket; only those that the socket does not take are kept here. Bytes
 * for the guest stay in the socket until the guest has room and buffers.
 *
 * Context: the main thread, under the lock of the device.
 */
#define VSOCK_ROOM 65536 /* [bytes] */
#define VSOCK_LINE_MAX 32 /* [bytes] of what a program of the host says first */

enum vsock_state {
	VSOCK_FREE,
	VSOCK_DOOR, /* a program of the host is there, and has not said to which port */
	VSOCK_CALLING, /* the guest wants it: the keeper connects */
	VSOCK_ASKED, /* the host wants it: the guest has to answer */
	VSOCK_OPEN,
	VSOCK_GONE, /* there is no socket any more, and the guest is to learn it */
};

/* Packets that the guest is to get, besides bytes. */
enum vsock_owed {
	VSOCK_OWES_REQUEST = 1 << 0,
	VSOCK_OWES_RESPONSE = 1 << 1,
	VSOCK_OWES_CREDIT = 1 << 2,
	VSOCK_OWES_RESET = 1 << 3,
};

struct vsock_stream {
	void *owner; /* of the table */
	struct loop_source source; /* the socket, edge-triggered; fd -1: none */
	enum vsock_state state;
	bool asked; /* VSOCK_CALLING: the keeper has been asked */
	uint64_t ticket; /* of this use of the entry */
	uint32_t guest_port, host_port;
	unsigned owed; /* enum vsock_owed */
	/* The socket: */
	bool readable, writable; /* as far as is known */
	bool hung; /* its other end is closed */
	bool ended; /* all that it had has been read */
	unsigned told; /* enum vsock_shutdown, as the guest knows it */
	/* Bytes of the guest: */
	unsigned guest_ends; /* enum vsock_shutdown, as the guest has said */
	uint32_t received, delivered; /* modulo 2^32 */
	uint32_t told_delivered; /* as the guest knows it */
	uint8_t *kept; /* VSOCK_ROOM bytes, a ring; NULL: nothing was ever kept */
	uint32_t kept_start, kept_count;
	/* Bytes for the guest: */
	uint32_t guest_room, guest_taken; /* as the guest has told */
	uint32_t sent; /* modulo 2^32 */
};

/* How many bytes the guest has room for. */
uint32_t vsock_stream_credit(const struct vsock_stream *s);

/*
 * The payload of @p, in chain @c: goes into the socket, or is kept. Return: 0; -ENOBUFS the guest
 * has sent more than it may; -EPIPE the host's program is gone; -EFAULT.
 */
int vsock_stream_take(struct vsock_stream *s, const struct vsock_packet *p, const struct virtq *q,
	const struct virtq_chain *c);

/* Sends what is kept. Return: 0, -EPIPE. */
int vsock_stream_flush(struct vsock_stream *s);

/*
 * Bytes for the guest, behind the header of a packet in chain @c, as many as there is credit and
 * room for. Return: how many; 0 there are none; -EPIPE the socket is broken; -EFAULT.
 */
ssize_t vsock_stream_give(
	struct vsock_stream *s, const struct virtq *q, const struct virtq_chain *c);

/*
 * The first line of a program of the host: "CONNECT PORT". Return: 1 with the port; 0 it is not
 * there yet; -EPROTO, -EPIPE.
 */
int vsock_stream_read_door(struct vsock_stream *s, uint32_t *ret_port);

/* "OK PORT", the answer to that. */
void vsock_stream_answer_door(struct vsock_stream *s);

#endif
