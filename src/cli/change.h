/* SPDX-License-Identifier: MIT */
#ifndef CLI_CHANGE_H
#define CLI_CHANGE_H

#include <stdbool.h>

/*
 * A verb that changes the machine calls this before its first change. Until change_end(), what a
 * terminal or a service manager sends waits: a transaction is soon done, or its watchdog ends it,
 * and then everything is as it should be. Output that nobody reads does not hold up a change
 * either: stdout and stderr keep what a terminal or pipe does not take at once. Twice is fine.
 */
void change_begin(void);

/*
 * Writes what stdout and stderr have kept, and waits for its reader. From here on a signal ends the
 * verb. Without change_begin() it does nothing. Return: 0, -errno of standard output.
 */
int change_end(void);

/* True since change_begin(): this verb changes the machine, and its output is by the way. */
bool change_happened(void);

#endif
