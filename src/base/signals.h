/* SPDX-License-Identifier: MIT */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

#include <signal.h>

/*
 * By default the kernel kills a process that writes to a pipe without a reader (SIGPIPE), or past
 * its limit of file size (SIGXFSZ). usher must not die so while it has a device: nobody would give
 * the device back.
 */

/* From here on such a write fails with -EPIPE or -EFBIG, in this process and its children. */
void signals_survive_writes(void);

/* What a program that usher starts gets back: the signals ignored above. */
void signals_of_writes(sigset_t *ret);

/* Those by which a person, a terminal or a service manager ends a command: to block. */
void signals_that_end(sigset_t *ret);

#endif
