/* SPDX-License-Identifier: MIT */
#ifndef CHECK_MODPROBE_H
#define CHECK_MODPROBE_H

#include <stdbool.h>
#include <stddef.h>

struct host;

/* A line of modprobe's configuration. Ref: modprobe.d(5). */
struct modprobe_line {
	char file[160];
	unsigned number; /* [1, …] */
	char verb[16]; /* "options", "blacklist", "install", "softdep" */
	char module[64]; /* with underscores */
	char *rest; /* "ids=10de:2484 disable_vga=1" */
};

struct modprobe {
	size_t count;
	struct modprobe_line *list;
};

/* Never fails: what cannot be read, or is too much for memory, is left out. modprobe_fini(). */
void modprobe_read(struct host *h, struct modprobe *ret);
void modprobe_fini(struct modprobe *m);

/* The first line with this verb for @module at or after *@at, which moves behind it; NULL. */
const struct modprobe_line *modprobe_next(
	const struct modprobe *m, size_t *at, const char *verb, const char *module);

/*
 * The value of KEY=VALUE in a line of options; the words of a kernel command line will do, too.
 * Return: whether it is there.
 */
bool modprobe_value(const char *words, const char *key, char *buf, size_t size);

/* Whether the kernel has @module: built in (modules.builtin), or to load (modules.dep). */
enum modprobe_presence { MODPROBE_ABSENT, MODPROBE_LOADABLE, MODPROBE_BUILTIN, MODPROBE_UNKNOWN };
enum modprobe_presence modprobe_presence(struct host *h, const char *module);

#endif
