/* SPDX-License-Identifier: MIT */
#ifndef BIND_LOCK_H
#define BIND_LOCK_H

struct bind_env;
struct err;

/*
 * One transaction at a time on a group: an exclusive flock of STATE/lock/GROUP. It dies with its
 * descriptor, so a crash leaves none behind. Waits a moment for another to finish.
 * Return: descriptor, the caller's to close; -EBUSY with the holder in @e; -errno.
 */
int bind_lock(const struct bind_env *env, int group, struct err *e);

/* The same for a task that has no group: STATE/lock/@task, one word. */
int bind_lock_task(const struct bind_env *env, const char *task, struct err *e);

#endif
