/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CONTROL_H
#define ENGINE_CONTROL_H

#include "engine/control_client.h"
#include "engine/plug/plug.h"
#include "engine/spec.h"
#include "wire/order.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

struct keeper_news;

/*
 * The keeper's side of /run/usher/vm/NAME/control (usher-control(7)). Nothing here waits for a
 * client, or for usher-vmm.
 */
#define CONTROL_CLIENTS_MAX 16
#define CONTROL_POLL_MAX (CONTROL_CLIENTS_MAX + 3) /* the socket, usher-vmm, plug.h */

enum control_phase {
	CONTROL_STARTING,
	CONTROL_RUNNING,
	CONTROL_PAUSED,
	CONTROL_STOPPING,
	CONTROL_ENDED, /* its devices go back */
};

/* What the state says; set by the keeper. */
struct control_guest {
	const struct guest_spec *spec;
	const char *engine;
	bool is_program; /* of usher exec */
	uint64_t memory; /* [bytes] */
	bool detached;
	bool obeys; /* its engine takes orders */
	pid_t pid; /* 0: not started yet */
	time_t since; /* when it started */
	size_t device_count; /* what it has now: the description's, and changes */
	struct pci_address devices[PLUG_MEMBERS_MAX];
};

struct control {
	int listen_fd; /* -1: nobody can connect */
	bool deaf; /* no descriptor is left: the next client waits until one leaves */
	int orders_fd; /* to usher-vmm; -1: the engine obeys none */
	uint32_t order; /* id of the last one */
	struct control_guest guest;
	struct plug plug; /* changes of the devices of a guest that runs */
	bool plugs_away; /* the one that is on its way takes devices from it */
	enum control_phase phase;
	int64_t force_ms; /* when a guest that was asked to power off is stopped; 0 never */
	int64_t asked_ms; /* as force_ms, until usher-vmm answers asked_order; 0 never */
	uint32_t asked_order;
	int64_t press_ms; /* when its button is pressed again; 0 never */
	size_t count;
	struct control_client list[CONTROL_CLIENTS_MAX];
	struct wire_done done; /* the last answer of usher-vmm */
};

/* Memory of its own, since it is large. Listens at @path, mode 0600. Return: 0, -errno. */
int control_listen(struct control **ret, const char *path);

/* Tells those that want to know. NULL is fine for @c, and so it is below. */
void control_tell(struct control *c, const struct keeper_news *n);

/* Fills @ret for poll(2): room for CONTROL_POLL_MAX. Return: how many. */
size_t control_poll(const struct control *c, struct pollfd *ret);

/* [ms] until control_serve() has something to do without an event; -1: for ever. */
int control_patience(const struct control *c);

/*
 * Serves what poll(2) has found in the @count entries of control_poll(), and the time that is over.
 * Return: 0, or a signal: the guest is to be stopped as if by that.
 */
int control_serve(struct control *c, const struct pollfd *polled, size_t count);

/*
 * The last word. Closes all connections and frees @c. Whoever hears it may use the guest's name
 * again: the caller has removed the socket before, because another keeper may have one there.
 */
void control_close(struct control *c, int status);

#endif
