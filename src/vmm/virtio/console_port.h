/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_CONSOLE_PORT_H
#define VMM_VIRTIO_CONSOLE_PORT_H

#include "vmm/loop.h"
#include "vmm/virtio/device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One port of a virtio console: two queues, and an end on the host.
 *
 * How it works. The invariant: a port holds at most CONSOLE_PIECE bytes that the guest has sent and
 * nobody has taken. It copies a piece out of a chain under the lock of the device, and gives it to
 * the end without that lock. While the end takes no more, the port takes no more either: chains
 * stay in the queue, and the guest waits for room as it does on a real line. Input is read from the
 * host only when the guest has listed a buffer for it.
 *
 * A chain of before a reset is forgotten: its memory is the driver's again.
 *
 * Context: main thread without a lock, unless a call says otherwise.
 */
#define CONSOLE_PIECE 4096
#define CONSOLE_BUDGET 65536 /* [bytes] or chains at once, then others have their turn */

/* The host's end. */
struct console_end {
	/* Takes what the guest has sent. Return: [bytes]; fewer than @len: no room for more now. */
	size_t (*send)(struct console_end *e, const uint8_t *bytes, size_t len);
	/* Gives input for the guest. Return: [bytes], 0 none now. */
	size_t (*receive)(struct console_end *e, uint8_t *bytes, size_t size);
	/*
	 * Has the port served when there is input, or room for output. @open: the guest reads, now
	 * or later. NULL: it does so unasked.
	 */
	void (*want)(struct console_end *e, bool open, bool input, bool room);
};

struct console_port {
	struct virtio_device *device;
	unsigned in, out; /* queues: what the guest receives, and what it sends */
	struct console_end *end;
	/* The guest has sent this. Context: under the lock. NULL: nobody wants to know. */
	void (*heard)(struct console_port *p, const uint8_t *bytes, size_t len);
	bool reads; /* the guest has opened the port; under the lock, and so is the next one */
	bool in_held; /* a buffer for input is taken */
	bool out_held; /* a chain to send is taken, of which out_off bytes are done */
	uint64_t out_off;
	size_t piece_len, piece_sent;
	struct virtq_chain in_chain, out_chain;
	uint8_t piece[CONSOLE_PIECE];
	uint8_t input[CONSOLE_PIECE];
};

/* Moves what can be moved. Return: true: there may be more, and others have their turn first. */
bool console_port_serve(struct console_port *p);

/* Under the lock. Return: [bytes] of input that the guest takes now. */
size_t console_port_room(struct console_port *p);
/* Under the lock. Gives the guest at most that much. */
void console_port_receive(struct console_port *p, const uint8_t *bytes, size_t len);

/*
 * The doorbell of a queue, watched by the device itself: what it does then is done without the lock
 * that the transport takes.
 */
struct console_bell {
	void *owner; /* the device's */
	struct loop *loop;
	struct loop_source source; /* fd -1: there is none */
};

/* @eventfd stays the caller's. Return: false: it cannot be watched. */
bool console_bell_watch(struct console_bell *b, struct loop *l, int eventfd,
	void (*ready)(struct loop_source *s, uint32_t events));
/* Context: any thread. */
void console_bell_ring(const struct console_bell *b);
/* Nobody is called any more; twice is once, and so it is below. */
void console_bell_mute(struct console_bell *b);
void console_bell_close(struct console_bell *b);

#endif
