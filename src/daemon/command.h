/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_COMMAND_H
#define DAEMON_COMMAND_H

#include "daemon/daemon.h"

#include <sys/types.h>

/* The process of a job: `usher @words…`, with no other descriptors than these. */
struct command {
	char *const *words;
	int output_fd, errors_fd;
	int file_fd; /* that it writes to; -1: none */
};

#define COMMAND_FILE_VARIABLE "USHER_FILE_FD" /* has the number of that file's descriptor */

/*
 * @unit: the unit in which systemd runs it (daemon/unit.h); "": it is usherd's own child.
 * Return: pid, -errno.
 */
pid_t command_start(const struct daemon *d, const struct command *c, const char *unit);

#endif
