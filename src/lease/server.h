/* SPDX-License-Identifier: MIT */
#ifndef LEASE_SERVER_H
#define LEASE_SERVER_H

#include "engine/control_client.h"
#include "lease/lease.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct open_devices;

/*
 * The keeper's side of /run/usher/lease/NAME/control: the protocol of usher-control(7), with the
 * commands of a lease. Nothing here waits for a client, and one that does not read waits alone.
 */
#define LEASE_CLIENTS_MAX 16
#define LEASE_POLL_MAX (LEASE_CLIENTS_MAX + 1)

/* What the clients hear. Set by the keeper. */
struct lease_facts {
	const struct lease *lease;
	const struct open_devices *devices; /* NULL: not open yet, or not any more */
	const char *state; /* "starting", "running", "stopping", "ended" */
	time_t since; /* 0: not lent yet */
	time_t until; /* 0: it does not expire */
};

/* How a client wants the lease to end. */
struct lease_wish {
	enum lease_end why; /* LEASE_RUNS: none does */
	uint32_t timeout_s;
};

/* A new one is all zeros, but for listen_fd. */
struct lease_server {
	int listen_fd; /* -1: nobody can connect */
	bool deaf; /* no descriptor is left: the next client waits until one leaves */
	struct lease_facts facts;
	struct lease_wish wish;
	size_t count;
	struct control_client list[LEASE_CLIENTS_MAX];
};

/* Listens at @path, mode 0600. Return: 0, -errno. */
int lease_server_open(struct lease_server *s, const char *path);

/* Fills @ret for poll(2): room for LEASE_POLL_MAX. Return: how many. */
size_t lease_server_poll(const struct lease_server *s, struct pollfd *ret);

/* Whether there is something to do without an event. */
bool lease_server_is_busy(const struct lease_server *s);

/* Serves what poll(2) has found in the @count entries; a client's wish is in @s->wish. */
void lease_server_serve(struct lease_server *s, const struct pollfd *polled, size_t count);

/* An event for those that want them. @status: INT_MIN none; @text, @hint: NULL none. */
void lease_server_tell(
	struct lease_server *s, const char *event, int status, const char *text, const char *hint);

/* The caller has removed the socket before. */
void lease_server_close(struct lease_server *s);

#endif
