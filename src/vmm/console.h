/* SPDX-License-Identifier: MIT */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include "base/terminal.h"
#include "vmm/loop.h"
#include "vmm/outbox.h"
#include "vmm/serial.h"
#include "vmm/viewers.h"

#include <stdbool.h>

struct err;
struct vm;

/*
 * The guest's first serial port (COM1) on this process's standard input and output.
 *
 * Output is written a line at a time, the rest of one after CONSOLE_TICK_MS, by a thread of its
 * own: a terminal or pipe that nobody reads holds up neither a vCPU nor the loop. When the buffer
 * is full, the transmitter is not empty: a guest that waits for it loses nothing. A guest that
 * sends without waiting loses those bytes, as on any line. A terminal is put into raw mode and
 * restored; there, Ctrl-A X stops the guest and Ctrl-A Ctrl-A sends one Ctrl-A.
 *
 * Context: main thread. What it shares with vCPUs and with the thread that writes is under `lock`.
 */
#define CONSOLE_TICK_MS 10
#define CONSOLE_PORT 0x3f8
#define CONSOLE_PIN 4

struct console {
	struct serial serial;
	struct vm *vm;
	struct lock lock; /* for `serial`, `tick_ms` and `input_on` */
	struct loop_source input;
	struct loop_source tick;
	struct outbox outbox;
	struct viewers viewers;
	bool input_on;
	unsigned tick_ms; /* until the next tick when it was armed; 0: it is not */
	bool escape; /* Ctrl-A was the last key */
	bool background; /* of the terminal: its keys are not read */
	bool raw;
	struct terminal terminal; /* as it was before it was raw */
};

/* Puts the port on the bus and watches standard input. */
int console_init(struct console *c, struct vm *vm, struct err *e);

/*
 * Shows the console on the socket @fd as well, from its history on; keys from there reach the guest
 * unless @read_only. Takes over @fd in any case. Return: 0, -EUSERS, -errno.
 */
int console_show(struct console *c, int fd, bool read_only);

/*
 * Takes in all that was sent, and waits for a reader to take it: a moment if the guest was told to
 * stop, else seconds. No vCPU runs.
 */
void console_drain(struct console *c);

/* The guest reboots: its port is as after power-on. */
void console_reset(struct console *c);

/* Once the new processors are there: KVM collects output for them. */
void console_renew(struct console *c);

/* Drains, ends the thread, restores the terminal. All vCPU threads have ended. Twice is once. */
void console_fini(struct console *c);

#endif
