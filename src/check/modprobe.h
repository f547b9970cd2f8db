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
	char unread[160]; /* a file about VFIO that modprobe passes over; "" for none */
	/* The running kernel's modules, read when somebody asks. */
	bool has_lists;
	char *builtin, *loadable; /* modules.builtin, modules.dep; NULL: missing */
	char folder[160]; /* where they are */
};

/*
 * Never fails: unreadable files, or lines without memory for them, are left out. The caller calls
 * modprobe_fini().
 */
void modprobe_read(struct host *h, struct modprobe *ret);
void modprobe_fini(struct modprobe *m);

/*
 * The next line with this verb for @module, starting at *@at, which is advanced; NULL at the end.
 */
const struct modprobe_line *modprobe_next(
	const struct modprobe *m, size_t *at, const char *verb, const char *module);

/*
 * The value of KEY=VALUE in a line of options or a kernel command line.
 * Return: false if it is missing.
 */
bool modprobe_value(const char *words, const char *key, char *buf, size_t size);

enum modprobe_presence { MODPROBE_ABSENT, MODPROBE_LOADABLE, MODPROBE_BUILTIN, MODPROBE_UNKNOWN };

/* Whether the running kernel has @module: in modules.builtin, in modules.dep, or not at all. */
enum modprobe_presence modprobe_presence(struct host *h, struct modprobe *m, const char *module);

/* Replaces each dash by an underscore: "vfio-pci" and "vfio_pci" are one module. */
void modprobe_name(char *text);

#endif
