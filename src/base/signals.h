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

/*
 * A caller may have left SIGCHLD ignored, as `trap '' CHLD` does. The kernel then reaps children by
 * itself: their exit status is lost, and no SIGCHLD comes. For whoever needs either.
 */
void signals_keep_status(void);

/*
 * By which a person, a terminal or a service manager ends a process: SIGINT, SIGTERM, SIGQUIT, and
 * SIGHUP unless it is ignored.
 */
void signals_that_end(sigset_t *ret);

/*
 * By which a terminal stops a job. A process in the background gets them that sets its terminal,
 * reads from it, or with `stty tostop` writes to it. One that owns a device must go on.
 */
void signals_that_stop(sigset_t *ret);

/* What a program that usher starts gets back: the signals ignored above. */
void signals_of_writes(sigset_t *ret);

#endif
