/* SPDX-License-Identifier: MIT */
#include "vmm/serial.h"

#include "base/num.h"

#include <linux/serial_reg.h>
#include <string.h>

/*
 * How it works
 *
 * A byte that the guest sends goes to the line at once. While the line has room, the transmitter
 * reads as empty. Without room it reads as full: a driver that honours this waits, and a driver
 * that ignores it loses its bytes. The transmitter's interrupt follows the chip: each write and
 * enabling the interrupt raise it, and a read of IIR acknowledges it.
 *
 * update_irq() computes the level of the interrupt line from the registers after each access.
 *
 * Ref: TI TL16C750 data sheet; registers as linux/serial_reg.h names them.
 */
#define IER_BITS 0x0f
#define MCR_BITS 0x3f
#define MSR_IDLE (UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)
#define IIR_FIFO 0xc0 /* FIFOs are on */
#define IIR_FIFO64 0x20 /* and 64 bytes deep */

static uint8_t pending_interrupt(const struct serial *s)
{
	if ((s->ier & UART_IER_RLSI) && s->overrun)
		return UART_IIR_RLSI;
	if ((s->ier & UART_IER_RDI) && s->held)
		return UART_IIR_RDI;
	if ((s->ier & UART_IER_THRI) && s->sent)
		return UART_IIR_THRI;
	if ((s->ier & UART_IER_MSI) && s->delta)
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

static void update_irq(struct serial *s)
{
	bool level = pending_interrupt(s) != UART_IIR_NO_INT && !(s->mcr & UART_MCR_LOOP);

	if (level == s->level)
		return;
	s->level = level;
	s->ops->irq(s, level);
}

static void put_input(struct serial *s, uint8_t byte)
{
	if (s->held == SERIAL_FIFO) {
		s->overrun = UART_LSR_OE;
		return;
	}
	s->input[(s->first + s->held++) % SERIAL_FIFO] = byte;
}

static uint8_t get_input(struct serial *s)
{
	if (!s->held)
		return 0;
	uint8_t byte = s->input[s->first];
	s->first = (s->first + 1) % SERIAL_FIFO;
	if (!--s->held)
		s->ops->room(s);
	return byte;
}

/* The console stops reading input while the FIFO is full: tell it, whatever emptied the FIFO. */
static void drop_input(struct serial *s)
{
	if (!s->held)
		return;
	s->held = 0;
	s->ops->room(s);
}

/* In loop-back the four outputs of MCR are the four inputs of MSR. */
static uint8_t modem_status(struct serial *s)
{
	uint8_t delta = s->delta;

	s->delta = 0;
	if (!(s->mcr & UART_MCR_LOOP))
		return MSR_IDLE | delta;
	return (uint8_t)((s->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
			 (s->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
			 (s->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
			 (s->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0) | delta);
}

static uint8_t interrupt_id(struct serial *s)
{
	uint8_t id = pending_interrupt(s);

	if (id == UART_IIR_THRI)
		s->sent = false;
	if (s->fcr & UART_FCR_ENABLE_FIFO)
		id |= IIR_FIFO | (s->fcr & UART_FCR7_64BYTE ? IIR_FIFO64 : 0);
	return id;
}

static uint8_t line_status(struct serial *s)
{
	uint8_t v = (uint8_t)((s->full ? 0 : UART_LSR_THRE | UART_LSR_TEMT) | s->overrun);

	s->overrun = 0;
	return s->held ? v | UART_LSR_DR : v;
}

static uint8_t read_register(struct serial *s, uint64_t off)
{
	bool divisor = s->lcr & UART_LCR_DLAB;

	switch (off) {
	case UART_RX:
		return divisor ? s->divisor[0] : get_input(s);
	case UART_IER:
		return divisor ? s->divisor[1] : s->ier;
	case UART_IIR:
		return interrupt_id(s);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return line_status(s);
	case UART_MSR:
		return modem_status(s);
	default:
		return s->scr;
	}
}

static void send_byte(struct serial *s, uint8_t byte)
{
	if (s->mcr & UART_MCR_LOOP)
		put_input(s, byte);
	else
		s->full = !s->ops->send(s, byte);
	s->sent = !s->full;
}

static void set_fifo(struct serial *s, uint8_t v)
{
	/* The depth can be changed only while DLAB is set: by that, software detects a 16750. */
	uint8_t depth = s->lcr & UART_LCR_DLAB ? v & UART_FCR7_64BYTE : s->fcr & UART_FCR7_64BYTE;

	if ((v ^ s->fcr) & UART_FCR_ENABLE_FIFO || v & UART_FCR_CLEAR_RCVR)
		drop_input(s);
	if (!(v & UART_FCR_ENABLE_FIFO))
		depth = 0;
	s->fcr = (uint8_t)((v & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK)) | depth);
}

static void set_ier(struct serial *s, uint8_t v)
{
	v &= IER_BITS;
	if (v & ~s->ier & UART_IER_THRI)
		s->sent = !s->full;
	s->ier = v;
}

static void set_mcr(struct serial *s, uint8_t v)
{
	uint8_t was = s->mcr;

	s->mcr = v & MCR_BITS;
	/* In loop-back mode the receiver takes no input from outside (serial_room). */
	if (was & ~s->mcr & UART_MCR_LOOP)
		s->ops->room(s);
}

static void write_register(struct serial *s, uint64_t off, uint8_t v)
{
	bool divisor = s->lcr & UART_LCR_DLAB;

	switch (off) {
	case UART_TX:
		if (divisor)
			s->divisor[0] = v;
		else
			send_byte(s, v);
		break;
	case UART_IER:
		if (divisor)
			s->divisor[1] = v;
		else
			set_ier(s, v);
		break;
	case UART_FCR:
		set_fifo(s, v);
		break;
	case UART_LCR:
		s->lcr = v;
		break;
	case UART_MCR:
		set_mcr(s, v);
		break;
	case UART_SCR:
		s->scr = v;
		break;
	default: /* LSR, MSR: read-only */
		break;
	}
}

static uint64_t serial_read(struct bus_range *r, uint64_t off, unsigned size)
{
	struct serial *s = container_of(r, struct serial, range);
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)read_register(s, off + i) << (8 * i);
	update_irq(s);
	return v;
}

static void serial_write(struct bus_range *r, uint64_t off, unsigned size, uint64_t value)
{
	struct serial *s = container_of(r, struct serial, range);

	for (unsigned i = 0; i < size; i++)
		write_register(s, off + i, (uint8_t)(value >> (8 * i)));
	update_irq(s);
}

void serial_init(struct serial *s, const struct serial_ops *ops, uint64_t base)
{
	*s = (struct serial){
		.range =
			{
				.name = "serial",
				.base = base,
				.size = SERIAL_PORTS,
				.read = serial_read,
				.write = serial_write,
			},
		.ops = ops,
		.divisor = {12, 0}, /* 9600 baud */
	};
}

void serial_reset(struct serial *s)
{
	*s = (struct serial){.range = s->range, .ops = s->ops, .divisor = {12, 0}, .full = s->full};
}

unsigned serial_room(const struct serial *s)
{
	return s->mcr & UART_MCR_LOOP ? 0 : SERIAL_FIFO - s->held;
}

void serial_drained(struct serial *s)
{
	s->full = false;
	s->sent = true;
	update_irq(s);
}

void serial_receive(struct serial *s, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		put_input(s, bytes[i]);
	update_irq(s);
}
