/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_KEPT_H
#define DAEMON_KEPT_H

#include "control/request.h"
#include "daemon/daemon.h"

#include <stdbool.h>
#include <sys/types.h>

struct control_value;
struct question;

/*
 * Leases and guests as objects on the bus. Each is what its keeper says over its control socket:
 * the daemon connects to every keeper that it finds in /run/usher, asks for its state, and asks
 * again at each event. Nothing here waits.
 */
#define KEPT_WAITERS_MAX 8
#define KEPT_LINE_ROOM 16384 /* [bytes] of a line of a keeper that is of use here */

enum kept_kind { KEPT_LEASE, KEPT_GUEST };

struct kept {
	struct daemon *daemon;
	struct kept *next;
	enum kept_kind kind;
	char name[64];
	int fd; /* to its keeper */
	ino_t socket; /* inode of the keeper's socket: another keeper may have the name later */
	bool is_replaced; /* and has it by now */
	sd_event_source *source;
	sd_event_source *signals; /* that are due later; NULL: none are */
	char *line; /* what has come of the next line */
	size_t len;
	struct control_value *state; /* the last answer; NULL: none yet, and it is no object */
	struct pci_address *devices; /* of the last answer */
	size_t device_count;
	char stuck[512]; /* why devices do not go back; "": they do, or it runs */
	size_t waiter_count;
	sd_bus_message *waiters[KEPT_WAITERS_MAX]; /* answers to those that wait for its end */
	struct question *questions; /* that are to be answered (daemon/question.h), a list */
	int64_t question_last;
	int given[CONTROL_GIVEN_MAX]; /* descriptors that have come with the line that comes */
	size_t given_count;
	bool is_known; /* it speaks our protocol; until it has said that, nothing counts */
	bool asks, again; /* the answer is due; it is to be asked once more after that */
};

/* Watches the folders of keepers. Return: 0, -errno. */
int kept_watch(struct daemon *d);
void kept_close(struct daemon *d);

/* Whether usherd still waits for the first answer of a keeper that it has asked. */
bool kept_is_asked(const struct daemon *d);

/* The lease or guest that has a device; NULL: none. */
const struct kept *kept_of_device(const struct daemon *d, struct pci_address a);

/* The lease that process @pid has on exactly these devices; NULL: none. */
const struct kept *kept_of_process(
	const struct daemon *d, pid_t pid, const char (*devices)[PCI_ADDRESS_TEXT], size_t count);

/* The lease of that name; NULL: none. */
struct kept *kept_lease(const struct daemon *d, const char *name);

/* Whether there is a guest of that name: its keeper's socket. */
bool kept_guest(const struct daemon *d, const char *name);

/*
 * Calls @call once the lease of that name is on the bus, or is known to have ended. Whoever is told
 * of a lease finds its object, unless its keeper does not answer for five seconds: @call is called
 * then, too. Return: 0, -errno.
 */
int kept_await(struct daemon *d, const char *name, void (*call)(void *arg), void *arg);

/* "lease", "guest", as in the path of an object. */
const char *kept_kind_name(enum kept_kind kind);
const char *kept_interface(enum kept_kind kind);

/* Path of its object. @buf: PATH_MAX_BUS bytes. Return: @buf. */
const char *kept_path(const struct kept *k, char *buf);

int kept_add_vtables(struct daemon *d);

#endif
