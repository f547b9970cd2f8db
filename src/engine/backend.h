/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_BACKEND_H
#define ENGINE_BACKEND_H

#include "base/file.h"
#include "engine/spec.h"
#include "program/process.h"

#include <stdbool.h>

struct err;
struct tool;

/*
 * A vhost-user back end: a program of others that serves a virtio device of the guest, in the
 * guest's memory. usher-vmm talks to it over a socket that the keeper connects.
 *
 * How it works. Back ends take connections of a socket that listens. Its path would let another
 * program connect first. So the socket is bound in a folder that only its user enters, connected
 * at once, and its path removed: the back end inherits it, and finds one connection waiting.
 *
 * A back end serves when it has answered the first question of the protocol: the keeper asks that,
 * and usher-vmm asks it again. What the program says before that is the reason of a failure.
 */
struct backend {
	const char *name; /* of the program; NULL: it is none of ours */
	struct process process; /* pid 0: none */
	struct tool *tool; /* its confinement; NULL: none */
	int listener; /* its socket, which it inherits */
	int said; /* what it says (engine/said.h) */
	char path[FILE_PATH_MAX]; /* of one that somebody else starts; "": ours */
	unsigned number; /* of the virtio device in the description */
	int end; /* usher-vmm's end of the connection, which the caller owns */
};

#define BACKEND_NONE \
	((struct backend){.process = {.pidfd = -1}, .listener = -1, .said = -1, .end = -1})

/*
 * Makes the sockets of program @name, `listener` and `end`. @run_dir: BIND_STATE_DIR.
 * Return: 0, -errno; backend_stop() in any case.
 */
int backend_open(struct backend *b, const char *name, const char *run_dir, struct err *e);

/* Whether something may serve at @path, without a connection. Return: 0, -EINVAL. */
int backend_check(const char *path, struct err *e);

/* Connects to one that somebody else has started, at @path. Return: 0, -EINVAL. */
int backend_connect(struct backend *b, const char *path, struct err *e);

/* Starts the program, which has `listener` and says what it says to `said`. Return: 0, -errno. */
int backend_start(struct backend *b, struct program *p, struct err *e);

/* Waits until it serves. Return: 0; -EIO it ended, with what it said; -ETIMEDOUT; -errno. */
int backend_await(struct backend *b, struct err *e);

/*
 * Why one does not serve that should: what it said, if it ends now. Return: -EIO; @r it goes on.
 */
int backend_explain(const struct backend *b, int r, struct err *e);

/* All of a guest. */
struct backends {
	size_t count;
	struct backend list[SPEC_VIRTIO_MAX];
};

/*
 * Connects again to that of virtio device @number. @s: NULL is one without. Return: a socket;
 * -ENODEV nobody starts it again; -errno of connect(2).
 */
int backends_reconnect(const struct backends *s, unsigned number);

/*
 * Connects to what listens at @path in @folder, without a wait. The keeper may have more rights
 * than whoever can write there, so it follows no symbolic link. Return: a socket; -ELOOP; -errno of
 * connect(2).
 */
int backend_dial(int folder, const char *path);

/* Ends it, in order if it does that soon. */
void backend_stop(struct backend *b);

#endif
