/* SPDX-License-Identifier: MIT */
#ifndef DESKTOP_COMMAND_H
#define DESKTOP_COMMAND_H

#include <stdbool.h>

struct err;
struct host;

/* Programs of the host that change the desktop. Each waits for its program's end. */

/* Return: 0; -EIO the unit did not stop or start; -ETIMEDOUT; -errno. */
int desktop_unit_stop(struct host *h, const char *unit, struct err *e);
int desktop_unit_start(struct host *h, const char *unit, struct err *e);

/* Ends a session with its programs. Return: likewise. */
int desktop_session_end(const char *id, struct err *e);

/*
 * Unloads one module, and none that it needs: nvidia has to stay, for the card is bound to it.
 * Return: likewise.
 */
int desktop_module_unload(const char *module, struct err *e);
int desktop_module_load(const char *module, struct err *e);

/* Runs @argv with a short environment. Return: its exit status, -ETIMEDOUT, -errno. */
int desktop_command(const char *const *argv, int timeout_ms);

#endif
