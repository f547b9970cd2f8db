/* SPDX-License-Identifier: MIT */
#ifndef DESKTOP_UNIT_H
#define DESKTOP_UNIT_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct host;

#define DESKTOP_UNIT_MAX 96

/* True if systemd runs this host: its units are stopped, else scripts of /etc/init.d. */
bool desktop_has_systemd(struct host *h);

/* The characters and the length of a unit's name. */
bool desktop_unit_ok(const char *name);

/*
 * The display manager of this host: what display-manager.service is an alias of, or the script of
 * /etc/init.d. Return: false if there is none.
 */
bool desktop_unit_find(struct host *h, char ret[DESKTOP_UNIT_MAX]);

/*
 * True if processes run in the unit's cgroup. Without systemd nothing in sysfs tells, and a unit
 * that exists counts as running: to stop one that does not run changes nothing.
 */
bool desktop_unit_runs(struct host *h, const char *unit);

#endif
