/* SPDX-License-Identifier: MIT */
#ifndef BASE_TERMINAL_H
#define BASE_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

/*
 * The settings of a terminal, which processes share. The process that makes it raw may be killed,
 * and then another one that knows the settings of before has to restore them. Nothing here waits
 * for output that nobody reads. The caller blocks SIGTTOU, or the kernel stops a process in the
 * background here.
 */
struct terminal {
	int fd;
	bool known; /* @fd is a terminal, and @settings are those of before */
	struct termios settings;
};

#define TERMINAL_NONE ((struct terminal){.fd = -1})

/* Return: whether @fd is a terminal. @ret: its settings now. */
bool terminal_read(int fd, struct terminal *ret);

/* Return: whether this process is in the terminal's foreground, where it may read. */
bool terminal_is_ours(int fd);

/*
 * The same for a caller that blocks SIGTTIN, also in a PID namespace without the terminal's process
 * group.
 */
bool terminal_is_readable(int fd);

/* Passes on each key as it is. Output lines still end with \n alone. Return: success. */
bool terminal_make_raw(const struct terminal *t);

/* Restores the settings. */
void terminal_restore(const struct terminal *t);

/*
 * The process that used the terminal is gone. Restores the settings if terminal_make_raw() left
 * them; any others only if that process was @killed and the terminal is still in our foreground.
 */
void terminal_repair(const struct terminal *t, bool killed);

#endif
