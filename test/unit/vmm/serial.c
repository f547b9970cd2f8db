/* SPDX-License-Identifier: MIT */
#include "vmm/serial.h"

#include "suite.h"

#include <linux/serial_reg.h>
#include <string.h>

static struct serial s;
static char sent[256];
static size_t sent_len, line_room;
static int irqs, level, rooms;

static bool on_send(struct serial *u, uint8_t byte)
{
	sent[sent_len++] = (char)byte;
	return sent_len < line_room;
}

static void on_irq(struct serial *u, bool to)
{
	irqs += to;
	level = to;
}

static void on_room(struct serial *u)
{
	rooms++;
}

static const struct serial_ops ops = {.send = on_send, .irq = on_irq, .room = on_room};

static void out(unsigned reg, uint8_t v)
{
	s.range.write(&s.range, reg, 1, v);
}

static uint8_t in(unsigned reg)
{
	return (uint8_t)s.range.read(&s.range, reg, 1);
}

static void setup(void)
{
	memset(sent, 0, sizeof(sent));
	sent_len = 0;
	line_room = sizeof(sent);
	irqs = level = rooms = 0;
	serial_init(&s, &ops, 0x3f8);
}

START_TEST(sends_and_is_ready)
{
	setup();
	ck_assert_uint_eq(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	out(UART_TX, 'h');
	out(UART_TX, 'i');
	ck_assert_str_eq(sent, "hi");
	ck_assert_uint_eq(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	ck_assert_int_eq(irqs, 0);
}
END_TEST

/* The line is full: a driver may not send, and gets no interrupt before there is room. */
START_TEST(a_full_line_holds_the_transmitter)
{
	setup();
	line_room = 2;
	out(UART_IER, UART_IER_THRI);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_THRI);
	out(UART_TX, 'a');
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_THRI);
	out(UART_TX, 'b');
	ck_assert_uint_eq(in(UART_LSR), 0);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_NO_INT);
	ck_assert_int_eq(level, 0);
	/* Neither a toggle of the interrupt nor a reset of the port makes room. */
	out(UART_IER, 0);
	out(UART_IER, UART_IER_THRI);
	ck_assert_int_eq(level, 0);
	serial_reset(&s);
	ck_assert_uint_eq(in(UART_LSR), 0);
	out(UART_IER, UART_IER_THRI);
	serial_drained(&s);
	ck_assert_int_eq(level, 1);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_THRI);
	ck_assert_uint_eq(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
}
END_TEST

START_TEST(divisor_hides_data)
{
	setup();
	out(UART_LCR, UART_LCR_DLAB);
	out(UART_DLL, 1);
	out(UART_DLM, 2);
	ck_assert_uint_eq(in(UART_DLL), 1);
	ck_assert_uint_eq(in(UART_DLM), 2);
	out(UART_LCR, UART_LCR_WLEN8);
	ck_assert_uint_eq(in(UART_IER), 0);
	ck_assert_uint_eq(in(UART_LCR), UART_LCR_WLEN8);
	ck_assert_uint_eq(sent_len, 0);
}
END_TEST

/* Like Linux' 8250 driver when it detects the type of the port. */
START_TEST(probes_as_a_16750)
{
	setup();
	out(UART_IER, 0);
	ck_assert_uint_eq(in(UART_IER), 0);
	out(UART_IER, 0xff);
	ck_assert_uint_eq(in(UART_IER), 0x0f);
	out(UART_IER, 0);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	ck_assert_uint_eq(in(UART_MSR)&0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out(UART_MCR, 0);
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	ck_assert_uint_eq(in(UART_IIR) >> 6, 3);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	ck_assert_uint_eq(in(UART_IIR) >> 5, 6);
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	out(UART_LCR, UART_LCR_DLAB);
	ck_assert_uint_ne(in(UART_IIR), 0); /* no EFR: not a 16650 */
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	ck_assert_uint_eq(in(UART_IIR) >> 5, 7);
	out(UART_LCR, 0);
	ck_assert_uint_eq(in(UART_IIR) >> 5, 7);
	out(UART_FCR, 0);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_NO_INT);
	out(UART_SCR, 0x5a);
	ck_assert_uint_eq(in(UART_SCR), 0x5a);
}
END_TEST

START_TEST(transmit_interrupt_is_acknowledged)
{
	setup();
	out(UART_IER, UART_IER_THRI);
	ck_assert_int_eq(level, 1);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_THRI);
	ck_assert_int_eq(level, 0);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_NO_INT);
	out(UART_TX, 'x');
	ck_assert_int_eq(level, 1);
	ck_assert_int_eq(irqs, 2);
	out(UART_IER, 0);
	ck_assert_int_eq(level, 0);
	/* Enabled again, the interrupt comes again: the transmitter is empty. */
	out(UART_IER, UART_IER_THRI);
	ck_assert_int_eq(level, 1);
}
END_TEST

START_TEST(receives_in_order)
{
	setup();
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	out(UART_IER, UART_IER_RDI);
	ck_assert_uint_eq(serial_room(&s), SERIAL_FIFO);
	serial_receive(&s, "abc", 3);
	ck_assert_int_eq(level, 1);
	ck_assert_uint_eq(in(UART_IIR)&UART_IIR_ID, UART_IIR_RDI);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_DR, UART_LSR_DR);
	ck_assert_uint_eq(in(UART_RX), 'a');
	ck_assert_uint_eq(in(UART_RX), 'b');
	ck_assert_int_eq(rooms, 0);
	ck_assert_uint_eq(in(UART_RX), 'c');
	ck_assert_int_eq(rooms, 1);
	ck_assert_int_eq(level, 0);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_DR, 0);
	ck_assert_uint_eq(in(UART_RX), 0);
}
END_TEST

START_TEST(overrun_is_told_once)
{
	char many[SERIAL_FIFO + 1];

	setup();
	memset(many, 'x', sizeof(many));
	serial_receive(&s, many, sizeof(many));
	ck_assert_uint_eq(serial_room(&s), 0);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_OE, UART_LSR_OE);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_OE, 0);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_DR, 0);
	/* The guest discards its FIFO, and a waiting sender learns that there is room. */
	ck_assert_int_eq(rooms, 1);
	ck_assert_uint_eq(serial_room(&s), SERIAL_FIFO);
}
END_TEST

START_TEST(loops_back)
{
	setup();
	out(UART_MCR, UART_MCR_LOOP);
	out(UART_TX, 'z');
	ck_assert_uint_eq(sent_len, 0);
	ck_assert_uint_eq(in(UART_RX), 'z');
	/* Meanwhile no input from outside. */
	ck_assert_uint_eq(serial_room(&s), 0);
	rooms = 0;
	out(UART_MCR, 0);
	ck_assert_int_eq(rooms, 1);
	ck_assert_uint_eq(serial_room(&s), SERIAL_FIFO);
}
END_TEST

SUITE("serial", sends_and_is_ready, a_full_line_holds_the_transmitter, divisor_hides_data,
	probes_as_a_16750, transmit_interrupt_is_acknowledged, receives_in_order,
	overrun_is_told_once, loops_back)
