/* SPDX-License-Identifier: MIT */
#ifndef CHECK_EARLY_H
#define CHECK_EARLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot;
struct early_owner;
struct host;

/*
 * The configuration that decides which driver comes first at boot: lists of modules that the
 * initramfs loads, lists that are loaded after it, and the tool that makes the initramfs.
 */

/* A family of lists of modules. */
enum early_list {
	EARLY_LIST_TOOLS, /* /etc/initramfs-tools/modules */
	EARLY_LIST_DRACUT, /* force_drivers=, add_drivers= of dracut */
	EARLY_LIST_MKINITCPIO, /* MODULES= of mkinitcpio */
	EARLY_LIST_HOOKS, /* HOOKS= of mkinitcpio: no modules */
	EARLY_LIST_BOOSTER, /* booster.yaml */
	EARLY_LIST_NIXOS, /* boot.initrd.kernelModules */
	EARLY_LIST_LATE, /* /etc/modules, modules-load.d: after the initramfs */
};

#define EARLY_LINES_MAX 48

/* A list of modules, as a file has it. */
struct early_line {
	enum early_list list;
	char file[160];
	unsigned number; /* [1, …] */
	char key[28]; /* "MODULES"; "" if the file holds nothing else */
	char *words; /* separated by single blanks; dashes are underscores */
	char options[160]; /* behind the name, where a line holds one module */
};

struct early {
	const struct early_owner *owner; /* what makes the initramfs; never NULL */
	char tool[160]; /* the command that makes it anew; "": unknown */
	char image[160]; /* the initramfs that was booted; "": unknown */
	int64_t image_time; /* when it was made [s since the epoch]; 0: unknown */
	int64_t boot_time; /* likewise */
	size_t line_count;
	struct early_line lines[EARLY_LINES_MAX];
};

/* Never fails: an unreadable file counts as missing. The caller calls early_fini(). */
void early_read(struct host *h, const struct boot *b, struct early *ret);
void early_fini(struct early *y);

/* True if @words, separated by blanks, have @module; its position goes to @ret, or NULL. */
bool early_words_have(const char *words, const char *module, size_t *ret);

/* The first list of the initramfs, or the first late one, that has @module; NULL for none. */
const struct early_line *early_line_with(const struct early *y, const char *module, bool late);

#endif
