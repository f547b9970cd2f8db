/* SPDX-License-Identifier: MIT */
#ifndef WIRE_ORDER_H
#define WIRE_ORDER_H

#include "wire/call.h"
#include "wire/message.h"

/*
 * What the keeper asks of usher-vmm while the guest runs, over a socket for that alone. Each order
 * is answered by one struct wire_done with its id, in turn. The keeper waits for no answer: the
 * guest may have taken over usher-vmm.
 */
enum wire_order_kind {
	WIRE_ORDER_BUTTON = 1, /* press the power button */
	WIRE_ORDER_RESET, /* as the reset button does */
	WIRE_ORDER_PAUSE, /* stop the processors */
	WIRE_ORDER_RESUME,
	WIRE_ORDER_FIGURES, /* descriptor: /proc/interrupts; the answer's text is a JSON object */
	/* descriptor: a stream socket to show the console, or a port, on from now on */
	WIRE_ORDER_CONSOLE,
	/*
	 * Give virtio disk @disk the size of its file, which first grows to @size if that is not
	 * 0. The answer's text is a JSON object with the size.
	 */
	WIRE_ORDER_RESIZE,
	WIRE_ORDER_LINK, /* the link of virtio network card @card goes up or down */
	/*
	 * Of QEMU's guests, and not among those that usher-vmm obeys: puts the functions of one
	 * card into one slot. The answer's text may say why not.
	 */
	WIRE_ORDER_PLUG,
	/* Likewise: asks the guest to release the slot that has one of these functions. */
	WIRE_ORDER_UNPLUG,
	/* Likewise: the text of the answer is a line "ADDRESS SLOT" for each lent device. */
	WIRE_ORDER_LENT,
	WIRE_ORDER_BALLOON, /* ask the guest to keep @size bytes of memory and give back the rest */
};

#define WIRE_FUNCTIONS_MAX 8 /* of one card */

enum wire_order_flag {
	WIRE_ORDER_READ_ONLY = 1 << 0, /* console: what comes from there is discarded */
	WIRE_ORDER_UP = 1 << 1, /* link */
};

struct wire_order {
	struct wire_header header; /* WIRE_ORDER */
	uint32_t order; /* enum wire_order_kind */
	uint32_t flags; /* enum wire_order_flag */
	uint64_t disk; /* resize: its place among the virtio devices of the description, else 0 */
	uint64_t size; /* resize, balloon: [bytes], else 0 */
	uint64_t port; /* console: 0 the console itself, else the number of a port, and one */
	uint64_t card; /* link: as @disk, else 0 */
	uint64_t function_count; /* plug, unplug: [1, WIRE_FUNCTIONS_MAX], else 0 */
	struct wire_address functions[WIRE_FUNCTIONS_MAX]; /* on the host */
};

#define WIRE_FIGURES_MAX 61440 /* [bytes]: figures of hundreds of vectors, and below SO_SNDBUF */

struct wire_done {
	struct wire_header header; /* WIRE_DONE */
	int32_t result; /* 0; -EALREADY; -EAGAIN the guest is paused; -EUSERS, -ERANGE, -errno */
	uint32_t length; /* of the text */
	char text[WIRE_FIGURES_MAX]; /* without a NUL */
};

/* Whether every field is in bounds, and @fd_count is right. Return: 0, -EPROTO. */
int wire_order_check(const struct wire_order *o, size_t fd_count);
int wire_done_check(const struct wire_done *d);

#endif
