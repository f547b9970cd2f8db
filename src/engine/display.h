/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_DISPLAY_H
#define ENGINE_DISPLAY_H

#include "engine/spec.h"

struct err;

/*
 * A folder for the socket of a guest's display, /run/usher/vm/NAME/display. Only the engine's user
 * enters it, and root: a display has no password, and a socket at the network would be everybody's.
 * It is a small file system of its own, so that user cannot fill /run.
 */
#define DISPLAY_FOLDER "display"

struct display {
	int fd; /* of the folder; -1: none */
	char path[128];
};

#define DISPLAY_NONE ((struct display){.fd = -1})

/* "none", "vnc" or "spice". Return: 0, -EINVAL. */
int display_parse(const char *text, struct guest_display *ret);
/* Return: static. */
const char *display_name(enum guest_display_kind kind);

/*
 * Makes the folder for guest @name; it belongs to user @uid, 0: to ours.
 * Return: 0, -errno; display_close() in any case.
 */
int display_open(
	const char *run_dir, const char *name, uid_t uid, struct display *ret, struct err *e);

/* Removes the folder, with the socket. */
void display_close(struct display *d);

/* Removes the folder at @path with all that is in it, which a killed keeper has left. */
void display_discard(const char *path);

#endif
