/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_QEMU_ONLOOKERS_H
#define ENGINE_QEMU_ONLOOKERS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Who looks at the console of a QEMU: stream sockets that never block. The console's bytes are
 * counted from the first one, and a ring has the last of them, so an onlooker is a number: what it
 * gets next. One that does not read in time misses the oldest, and a line says how much.
 */
#define ONLOOKERS_MAX 8
#define ONLOOKERS_HISTORY 65536 /* [bytes], a power of two */

struct onlookers {
	uint64_t end; /* [bytes] that the guest has sent */
	char history[ONLOOKERS_HISTORY];
	size_t count;
	struct onlooker {
		int fd;
		bool read_only;
		bool silent; /* its keys are at their end */
		uint64_t at, lost;
	} list[ONLOOKERS_MAX];
};

void onlookers_put(struct onlookers *o, const char *bytes, size_t len);

/* Takes over @fd in any case. Return: 0, -EUSERS. */
int onlookers_add(struct onlookers *o, int fd, bool read_only);

/* Fills @ret, room for ONLOOKERS_MAX. @keys: whether there is room for what one types. */
size_t onlookers_poll(const struct onlookers *o, struct pollfd *ret, bool keys);

/*
 * Serves what poll(2) has found. @keys, @room: gets what they have typed, as much as there is room
 * for. Return: [bytes] of that.
 */
size_t onlookers_serve(
	struct onlookers *o, const struct pollfd *polled, size_t count, char *keys, size_t room);

/* Sends what their sockets take. */
void onlookers_show(struct onlookers *o);

/* What of @at the ring still has, up to its wrap. Return: [bytes] at *@ret. */
size_t onlookers_piece(const struct onlookers *o, uint64_t at, const char **ret);

#endif
