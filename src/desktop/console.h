/* SPDX-License-Identifier: MIT */
#ifndef DESKTOP_CONSOLE_H
#define DESKTOP_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

struct host;

#define DESKTOP_CONSOLES_MAX 8
#define DESKTOP_CONSOLE_NAME 64

/*
 * A back end of the kernel's text consoles, /sys/class/vtconsole/vtconN. Its number may change when
 * the driver of the card comes back, so its name is what identifies it: "(M) frame buffer device".
 */
struct desktop_console {
	unsigned number;
	char name[DESKTOP_CONSOLE_NAME];
	bool is_bound;
};

/* Return: their count. */
size_t desktop_consoles_read(struct host *h, struct desktop_console ret[DESKTOP_CONSOLES_MAX]);

/* True for a back end that draws on a framebuffer, and so on the card. */
bool desktop_console_draws(const struct desktop_console *c);

/* Path of the attribute that binds and unbinds it. Return: 0, -ENAMETOOLONG. */
int desktop_console_path(const struct desktop_console *c, char *buf, size_t size);

/* The number of the active virtual terminal; 0: there is none. */
unsigned desktop_vt_read(struct host *h);

#endif
