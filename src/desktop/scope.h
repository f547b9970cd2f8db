/* SPDX-License-Identifier: MIT */
#ifndef DESKTOP_SCOPE_H
#define DESKTOP_SCOPE_H

struct err;
struct host;

/*
 * Moves this process out of the session that started it, which ends with the desktop: into a
 * transient unit of systemd, usher-desktop-NAME.scope; without systemd into a cgroup of that name.
 * Return: 0; also without cgroups, where nothing ends a process that has a session of its own;
 * -errno.
 */
int desktop_scope_enter(struct host *h, const char *name, struct err *e);

/*
 * Without systemd: goes back to the host's first cgroup. A desktop that is started in the guest's
 * would stay in it for as long as it runs.
 */
void desktop_scope_leave(struct host *h);

/* Without systemd: removes the guest's cgroup, unless another process is in it. */
void desktop_scope_remove(struct host *h, const char *name);

#endif
