/* SPDX-License-Identifier: MIT */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include "vmm/loop.h"
#include "vmm/serial.h"

#include <pthread.h>
#include <stdbool.h>
#include <termios.h>

struct err;
struct vm;

/*
 * The guest's first serial port (COM1) on this process's standard input and output.
 *
 * Output is written a line at a time, the rest of one after CONSOLE_TICK_MS. Nothing is lost:
 * when nobody reads, the vCPU that sends waits, without the VM's lock, until there is room or
 * the guest is told to stop. A terminal is put into raw mode and restored; there, Ctrl-A X stops
 * the guest and Ctrl-A Ctrl-A sends one Ctrl-A.
 *
 * Context: main thread and vCPU threads, under the VM's lock.
 */
#define CONSOLE_BUFFER 16384
#define CONSOLE_TICK_MS 10
#define CONSOLE_PORT 0x3f8
#define CONSOLE_PIN 4

struct console {
	struct serial serial;
	struct vm *vm;
	struct loop_source input;
	struct loop_source output; /* in the loop while a write would have to wait */
	struct loop_source tick;
	bool input_on, output_on;
	unsigned tick_ms; /* until the next tick when it was armed; 0: it is not */
	bool closed; /* nobody will ever read: output goes nowhere */
	bool escape; /* Ctrl-A was the last key */
	bool raw;
	struct termios saved;
	pthread_cond_t room;
	size_t len;
	char buffer[CONSOLE_BUFFER];
};

/* Puts the port on the bus and watches standard input. */
int console_init(struct console *c, struct vm *vm, struct err *e);

/* Takes in and writes out all that was sent. No vCPU runs. */
void console_drain(struct console *c);

/* The guest reboots: its port is as after power-on. */
void console_reset(struct console *c);

/* Once the new processors are there: KVM collects output for them. */
void console_renew(struct console *c);

/* Writes what is left, restores the terminal. All vCPU threads have ended. Twice is once. */
void console_fini(struct console *c);

/* Lets go a vCPU that waits for room; the VM has ended. Context: not under the VM's lock. */
void console_release(struct console *c);

#endif
