/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_LOGBOOK_H
#define ENGINE_LOGBOOK_H

#include <stdbool.h>
#include <stddef.h>

/*
 * What a guest in the background has to say: the messages of its keeper's client and of its
 * program come by a pipe, and go into /run/usher/log/NAME, which outlives the guest. The file never
 * has more than LOGBOOK_MAX bytes: then its older half is discarded.
 *
 * Nothing here waits: the pipe's end does not block, and /run is memory.
 */
#define LOGBOOK_MAX 65536

struct logbook {
	int in_fd; /* -1: there is none */
	int file_fd;
	char path[128];
	bool in_line; /* the last byte was not a newline */
};

#define LOGBOOK_NONE ((struct logbook){.in_fd = -1, .file_fd = -1})

/* Takes over @in_fd, a pipe's end. Return: 0, -errno. */
int logbook_open(struct logbook *l, const char *run_dir, const char *name, int in_fd);

/* Takes in what has come, a piece of it. Return: whether there may be more. */
bool logbook_serve(struct logbook *l);

/* Takes in all that has come. */
void logbook_close(struct logbook *l);

#endif
