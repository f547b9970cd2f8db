/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_NEWS_H
#define DAEMON_NEWS_H

#include <stdint.h>
#include <systemd/sd-event.h>

struct daemon;

/*
 * Signals are for everybody, and each costs the bus more than usherd itself does for a job. So they
 * are collected for a while, and usherd tells once what has changed twice by then. Whoever waits
 * for a job goes first: until nobody does, news wait for some more windows.
 */
#define NEWS_US UINT64_C(100000) /* a window */
#define NEWS_ACCURACY_US UINT64_C(1000)
#define NEWS_WINDOWS 5 /* at most */

/* News of one kind or object. All zero: there are none. */
struct news {
	sd_event_source *timer; /* NULL: nothing is due */
	unsigned windows; /* since the first of them */
	struct daemon *daemon;
	void (*tell)(void *arg);
	void *arg;
};

/* Calls @tell(@arg) later, once for all calls until then; now, if there is no timer to be had. */
void news_collect(struct daemon *d, struct news *n, void (*tell)(void *arg), void *arg);

/* The bus has them: nothing is due any more. */
void news_end(struct news *n);

#endif
