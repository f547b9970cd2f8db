/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include "control/request.h"

#include <stddef.h>

struct control_value;
struct err;

/* A client's side of a guest's control socket (usher-control(7)). */
#define CONTROL_ANSWER_MAX 262144 /* [bytes] of a line from a keeper */
#define CONTROL_GREET_MS 2000 /* a keeper that takes or gives back devices does nothing else */
#define CONTROL_WAIT_MS 10000 /* for an answer: longer than a keeper waits for usher-vmm */

struct control_link {
	int fd;
	char *line; /* what has come, CONTROL_ANSWER_MAX */
	size_t len;
	size_t given_count; /* descriptors that came with the last answer */
	int given[CONTROL_GIVEN_MAX];
};

#define CONTROL_LINK_NONE ((struct control_link){.fd = -1})

/* Where keepers have their sockets, and how to speak of what they keep. */
struct control_place {
	const char *folder; /* below the folder of all state: "vm" */
	const char *noun; /* "guest" */
	const char *lister; /* the command that lists them: "usher ps" */
	int greet_ms; /* how long a keeper may take for its greeting */
};

extern const struct control_place control_guests;
extern const struct control_place control_leases;

/*
 * Connects to the keeper of guest @name, below @run_dir (BIND_STATE_DIR), and reads its greeting.
 * @ret: control_disconnect() in any case. Return: 0; -ENOENT no such guest runs; -EACCES it is
 * another user's; -EPROTO, -ETIMEDOUT, -errno.
 */
int control_connect(const char *run_dir, const char *name, struct control_link *ret, struct err *e);

/* The same for what is kept at @p. */
int control_connect_at(const struct control_place *p, const char *run_dir, const char *name,
	struct control_link *ret, struct err *e);
/* The same by @fd, a connection behind its greeting, which is taken over. Return: 0, -ENOMEM. */
int control_adopt(int fd, struct control_link *ret, struct err *e);
void control_disconnect(struct control_link *l);

/*
 * The next line within @timeout_ms, -1 for ever. @ret: control_value_free().
 * Return: 0; -EPIPE the keeper has ended; -ETIMEDOUT, -EPROTO, -errno.
 */
int control_next(struct control_link *l, int timeout_ms, struct control_value **ret, struct err *e);

/*
 * Sends the request @line and waits for its answer. @ret: may be NULL. Return: 0; the keeper's
 * -errno with its sentence; otherwise as control_next().
 */
int control_ask(
	struct control_link *l, const char *line, struct control_value **ret, struct err *e);
/* The same, for what may take @timeout_ms. */
int control_ask_within(struct control_link *l, const char *line, int timeout_ms,
	struct control_value **ret, struct err *e);

#endif
