/* SPDX-License-Identifier: MIT */
#ifndef DESKTOP_CHANGE_H
#define DESKTOP_CHANGE_H

#include "desktop/entry.h"

/*
 * The life of one hand-over: the desktop is stopped, a guest has the card, the desktop is started.
 * All changes are of one transaction (bind/transaction.h), so tests can stop at each.
 */
struct desktop_change {
	const struct bind_env *env;
	struct bind_transaction work;
	struct desktop_entry entry;
	void (*say)(void *arg, const char *text); /* each step, before it begins; NULL */
	void *arg;
};

/* Return: 0, -errno; desktop_change_end() either way. */
int desktop_change_begin(struct desktop_change *c, const struct bind_env *env, struct err *e);
void desktop_change_end(struct desktop_change *c);

struct desktop_leaving {
	/*
	 * Fills the two plans. Called under the lock: a plan of before could be of a desktop that
	 * another hand-over has half stopped. Return: 0; -errno: nothing is stopped.
	 */
	int (*plan)(void *arg, struct err *e);
	void *arg;
	const struct desktop_plan *desktop;
	const struct bind_plan *devices; /* of the guest */
	pid_t keeper; /* the process that returns the desktop if this one dies */
};

/*
 * Stops the desktop: its units, its sessions; waits until no process has a device of the guest;
 * unbinds the text consoles and unloads modules. After a failure the desktop runs again.
 * Return: 0; -EBUSY a process stays, or another guest has the desktop; -errno, as plan().
 */
int desktop_leave(struct desktop_change *c, const struct desktop_leaving *l, struct err *e);

/*
 * Starts again what desktop_leave() stopped, in reverse order, and removes the entry. Does only
 * what is not so already, so it may run twice, and after any step. Goes on after a failure; then
 * the entry stays, and `usher restore` tries again.
 * Return: 0, the first -errno.
 */
int desktop_return(struct desktop_change *c, struct err *e);

/*
 * The same by the entry of @a alone, for a process that died. The devices must be back before.
 * Return: 0, 1 left alone (its processes live), -errno.
 */
int desktop_restore(const struct bind_env *env, struct pci_address a,
	void (*say)(void *arg, const char *text), void *arg, struct err *e);

/* Says a step. */
void desktop_say(const struct desktop_change *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define DESKTOP_LOCK "desktop"
#define DESKTOP_POLL_MS 200
void desktop_pause(int ms);

#endif
