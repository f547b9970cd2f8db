/* SPDX-License-Identifier: MIT */
#ifndef VMM_SERIAL_H
#define VMM_SERIAL_H

#include "vmm/bus.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A serial port with the registers of a TI 16750: a 16550 with FIFOs of 64 bytes. Linux reads the
 * line status once for each FIFO that it fills, and each read is an exit: with 64 bytes there are
 * four times fewer exits than with 16.
 * Context: under the lock of `range`.
 */
#define SERIAL_PORTS 8 /* registers */
#define SERIAL_FIFO 64 /* [bytes] */

struct serial;

struct serial_ops {
	/*
	 * Return: whether the line takes SERIAL_FIFO bytes more; if not, serial_drained() follows.
	 */
	bool (*send)(struct serial *s, uint8_t byte);
	void (*irq)(struct serial *s, bool level);
	void (*room)(struct serial *s); /* the guest took input: there is room for more */
};

struct serial {
	struct bus_range range;
	const struct serial_ops *ops;
	uint8_t ier, lcr, mcr, fcr, scr, divisor[2];
	uint8_t overrun; /* LSR_OE, until read */
	bool full; /* the line takes no more for now: the transmitter is not empty */
	bool sent; /* the transmitter ran empty, not yet acknowledged */
	bool level; /* of the interrupt line */
	uint8_t delta; /* MSR's change bits */
	uint8_t input[SERIAL_FIFO];
	unsigned first, held;
};

/* @base: port number. The range is the caller's to put on a bus. */
void serial_init(struct serial *s, const struct serial_ops *ops, uint64_t base);

/* As after power-on; the range and its counts stay. */
void serial_reset(struct serial *s);

/* Return: how many bytes the receiver can take now. */
unsigned serial_room(const struct serial *s);

/* The line takes SERIAL_FIFO bytes again. */
void serial_drained(struct serial *s);

/* Input from outside; what does not fit is lost as on a real line (LSR_OE). */
void serial_receive(struct serial *s, const void *data, size_t len);

#endif
