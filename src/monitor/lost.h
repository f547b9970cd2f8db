/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_LOST_H
#define MONITOR_LOST_H

#include "monitor/event.h"

#include <sys/types.h>

struct seen_list;

/*
 * Whether devices that are lent still answer. A read of configuration space may wait for ever, and
 * wakes a device that sleeps, so a child process reads it, and of those alone that a VFIO driver
 * has and that are awake.
 */
struct lost_check {
	pid_t pid; /* 0: nobody is asked now */
	int fd; /* what the child finds out; -1 */
	struct pci_address *asked;
	size_t count;
};

#define LOST_CHECK_NONE ((struct lost_check){.fd = -1})

/* Starts to ask, unless the last round still runs. */
void lost_ask(struct lost_check *a, const struct seen_list *l);

/* Takes what has come over @a->fd, and tells what is new. */
void lost_take(struct lost_check *a, struct seen_list *l, const struct monitor_teller *to);

void lost_close(struct lost_check *a);

#endif
