/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_KEEPERS_H
#define MONITOR_KEEPERS_H

#include "monitor/event.h"

struct keeper;

/*
 * Leases and guests: each is a folder below /run/usher/lease or /run/usher/vm, and a keeper that
 * answers at its socket there. Whoever may not ask it learns of the folder alone.
 */
#define KEEPER_FOLDERS 4 /* leases and guests, of root and of this user */

struct keeper_folder {
	char path[128];
	enum monitor_kind kind; /* MONITOR_LEASE, MONITOR_GUEST */
	int watch; /* of inotify; -1 there is no such folder yet */
};

struct keepers {
	int inotify; /* -1: none */
	size_t folder_count;
	struct keeper_folder folders[KEEPER_FOLDERS];
	struct keeper *list;
	size_t count;
	unsigned retries; /* until a keeper that has a folder has a socket, too */
};

#define KEEPERS_NONE ((struct keepers){.inotify = -1})

/* @run_dirs: NULL after the last. What is there now is told only by keepers_told(). */
int keepers_open(const char *const *run_dirs, struct keepers *ret);
void keepers_close(struct keepers *k);

/* For poll(2): descriptors of the keepers. @fds: room for keepers_fd_count(). */
size_t keepers_fd_count(const struct keepers *k);
struct pollfd;
void keepers_fill(const struct keepers *k, struct pollfd *fds);
/* After poll(2), with the same descriptors. */
void keepers_take(struct keepers *k, const struct pollfd *fds, const struct monitor_teller *to);

/* Looks for keepers that are new. Return: whether it is to be called again soon. */
bool keepers_scan(struct keepers *k, const struct monitor_teller *to);

#endif
