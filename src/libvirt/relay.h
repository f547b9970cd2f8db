/* SPDX-License-Identifier: MIT */
#ifndef LIBVIRT_RELAY_H
#define LIBVIRT_RELAY_H

#include "base/terminal.h"
#include "libvirt/calls.h"

#include <stdbool.h>
#include <stddef.h>

#define RELAY_VIEWERS_MAX 8
#define RELAY_BUFFER 16384
#define RELAY_HISTORY 65536

/* One who looks at the console: usher console. */
struct relay_viewer {
	struct relay *relay;
	int fd;
	int watch;
	bool read_only;
};

/* The console of a guest: QEMU's socket; and standard input and output, and viewers. */
struct relay {
	int fd; /* the socket; -1: there is none, or QEMU has closed it */
	int watch;
	int input_watch, output_watch; /* -1: none */
	struct terminal terminal;
	bool escape; /* Ctrl-A was the last key */
	void (*stop)(void *arg); /* Ctrl-A x */
	void *arg;
	size_t out_len, in_len;
	char out[RELAY_BUFFER]; /* from the guest, for standard output */
	char in[256]; /* for the guest */
	size_t end; /* bytes that the guest has written so far */
	char history[RELAY_HISTORY]; /* a ring: the last ones of them */
	size_t viewer_count;
	struct relay_viewer viewers[RELAY_VIEWERS_MAX];
};

#define RELAY_NONE ((struct relay){.fd = -1, .watch = -1, .input_watch = -1, .output_watch = -1})

/* @uses_stdio: the console is on standard input and output. */
void relay_init(struct relay *r, bool uses_stdio, void (*stop)(void *arg), void *arg);

/* Connects to the socket at @path. Return: 0, -errno with a sentence. */
int relay_open(struct relay *r, const char *path, struct err *e);

/*
 * One more viewer, which gets the history first; the descriptor is the relay's from here on.
 * Return: 0, -EUSERS, -errno.
 */
int relay_show(struct relay *r, int fd, bool read_only);

/* Whether all that the guest has written is written. */
bool relay_is_drained(const struct relay *r);

void relay_fini(struct relay *r);

#endif
