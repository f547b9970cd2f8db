/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIEWERS_H
#define VMM_VIEWERS_H

#include "vmm/lock.h"
#include "vmm/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Who looks at the guest's console beside standard output, or at one of its ports: stream sockets
 * that the keeper sends.
 * Each gets the last VIEWERS_HISTORY bytes, and then what follows. A viewer that does not read in
 * time misses the oldest of it, and a line says how much. It delays neither the guest nor another.
 *
 * Context: main thread, but for viewers_put() and viewers_room(), which any thread calls under
 * `lock`.
 */
#define VIEWERS_MAX 8
#define VIEWERS_HISTORY 65536 /* [bytes], a power of two */

struct viewers {
	struct lock *lock; /* of the console, or of the device */
	struct loop *loop;
	/* The guest's end, under the lock: the room for input [bytes], and input. */
	unsigned (*room)(struct viewers *v);
	void (*receive)(struct viewers *v, const uint8_t *keys, size_t len);
	unsigned count;
	/* One has come or left. NULL: nobody asks. Context: main thread, without a lock. */
	void (*changed)(struct viewers *v);
	char *history; /* a ring, NULL without memory for it */
	uint64_t end; /* [bytes] that the guest has sent; under the lock */
	struct viewer {
		struct loop_source source; /* fd -1: this place is free */
		struct viewers *all;
		uint32_t watched; /* EPOLL…, 0 not; under the lock, and so are the next two */
		bool full; /* the guest has no room for input */
		bool stuck; /* its socket has no room */
		bool silent; /* its input is at its end */
		bool read_only;
		uint64_t at; /* what it gets next */
		uint64_t lost; /* [bytes] that it is still to be told of */
	} list[VIEWERS_MAX];
};

/* @lock, @loop, room() and receive() are set. */
void viewers_init(struct viewers *v);
void viewers_fini(struct viewers *v); /* closes all; twice is once */

/* The guest has sent @bytes. Their way to the viewers is viewers_show(). */
void viewers_put(struct viewers *v, const uint8_t *bytes, size_t len);
/* The guest has room for input again. */
void viewers_room(struct viewers *v);

/* Takes over @fd in any case. Return: 0, -EUSERS, -errno. */
int viewers_add(struct viewers *v, int fd, bool read_only);

/* Sends what the viewers have not got. Never waits. */
void viewers_show(struct viewers *v);

#endif
