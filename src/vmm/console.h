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
 * The guest's console on this process's standard input and output: its first serial port (COM1),
 * and a virtio console if it has one (vmm/virtio/console.h).
 *
 * Output is written a line at a time, the rest of one after CONSOLE_TICK_MS, by a thread of its
 * own: a terminal or pipe that nobody reads holds up neither a vCPU nor the loop. When the buffer
 * is full, the transmitter is not empty: a guest that waits for it loses nothing. A guest that
 * sends without waiting loses those bytes, as on any line. A terminal is put into raw mode and
 * restored; there, Ctrl-A X stops the guest and Ctrl-A Ctrl-A sends one Ctrl-A.
 *
 * A virtio console has no transmitter that could be full, and Linux waits for it with a spinlock:
 * what finds no room is lost.
 *
 * Context: main thread. What it shares with vCPUs and with the thread that writes is under `lock`.
 */
#define CONSOLE_TICK_MS 10
#define CONSOLE_PORT 0x3f8
#define CONSOLE_PIN 4
#define CONSOLE_KEYS 256 /* [bytes] typed, which the virtio console has not taken yet */

enum console_kind {
	CONSOLE_SERIAL, /* COM1 alone */
	CONSOLE_VIRTIO, /* both; keys go to the virtio console when its driver has begun */
	CONSOLE_NONE, /* standard input and output are not the console's: it has viewers alone */
};

/* A virtio console, as this one sees it. */
struct console_line {
	/* There are keys to take. Context: any thread, under the console's lock. */
	void (*typed)(struct console_line *l);
	/* The terminal has another size. Context: main thread. */
	void (*resized)(struct console_line *l);
};

struct console {
	struct serial serial;
	struct vm *vm;
	enum console_kind kind;
	struct lock lock; /* for `serial`, `tick_ms`, `input_on`, `diverted` and `keys` */
	struct console_line *line; /* NULL: there is no virtio console */
	bool diverted; /* keys are the line's */
	uint8_t keys[CONSOLE_KEYS];
	unsigned key_count;
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
int console_init(struct console *c, struct vm *vm, enum console_kind kind, struct err *e);

/* The virtio console is there; NULL: it is gone. */
void console_join(struct console *c, struct console_line *l);

/* From now on keys are the line's, or not any more. */
void console_divert(struct console *c, bool to_line);

/* The guest has written to the line. */
void console_say(struct console *c, const uint8_t *bytes, size_t len);

/* Takes keys for the line. Return: [bytes], 0 there are none. */
size_t console_hear(struct console *c, uint8_t *keys, size_t size);

/* The size of the terminal; 0, 0 if there is none. */
void console_size(const struct console *c, uint16_t *ret_columns, uint16_t *ret_rows);
/* It may be another now. */
void console_resized(struct console *c);

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
