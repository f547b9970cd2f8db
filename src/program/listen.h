/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_LISTEN_H
#define PROGRAM_LISTEN_H

/*
 * A descriptor that a service manager has opened for this process, by the name that its unit
 * gives it (OpenFile=, FileDescriptorName=): LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES say which.
 * Ref: sd_listen_fds(3)
 * Return: the descriptor; -ENOENT there is none of that name, or several.
 */
int listen_find(const char *name);

#endif
