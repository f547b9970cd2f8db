/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_PURPOSE_H
#define CONTROL_PURPOSE_H

#include <stddef.h>

/*
 * For what usherd connects an ordinary user to a guest of root. The name is the action of polkit,
 * too: org.usher.Usher1.NAME. Devices come and go by other methods (Attach, Detach), for which
 * polkit is asked about each device, so no connection serves that.
 */
struct control_purpose {
	const char *name;
	const char *restriction; /* the request that limits a connection to it, with its newline */
};

/* Return: NULL if there is none of that name. */
const struct control_purpose *control_purpose_find(const char *name);

#endif
