/* SPDX-License-Identifier: MIT */
#ifndef CHECK_BOOT_H
#define CHECK_BOOT_H

#include <stdbool.h>
#include <stddef.h>

struct host;

/*
 * Where this host's kernel command line comes from. Editing the file of another boot loader than
 * the one that boots is the commonest reason for an IOMMU that stays off.
 */
enum boot_loader {
	BOOT_UNKNOWN,
	BOOT_GRUB,
	BOOT_SYSTEMD, /* systemd-boot, entries of kernel-install, Proxmox's boot tool */
	BOOT_LIMINE,
	BOOT_EXTLINUX,
	BOOT_FIRMWARE, /* of a single-board computer: cmdline.txt */
};

#define BOOT_LINES_MAX 24

/* A line of a configuration file that holds words for the kernel. */
struct boot_line {
	enum boot_loader loader; /* that reads it */
	char file[160];
	unsigned number; /* [1, …] */
	char key[40]; /* "GRUB_CMDLINE_LINUX_DEFAULT"; "" when the line has the words only */
	char *words; /* without quotes */
};

struct boot {
	char *booted; /* /proc/cmdline; NULL when it cannot be read */
	enum boot_loader loader; /* that booted this kernel */
	const char *tool; /* what brings a change to the loader: "update-grub"; "" nothing */
	size_t line_count;
	struct boot_line lines[BOOT_LINES_MAX];
};

/* Never fails: what cannot be read is not there. boot_fini() after it. */
void boot_read(struct host *h, struct boot *ret);
void boot_fini(struct boot *b);

/* "GRUB", "systemd-boot", … */
const char *boot_loader_name(enum boot_loader l);

/*
 * Steps over a command line's words. *@at: where to go on. Return: whether there is one; cut off
 * when it is longer than @size.
 */
bool boot_next_word(const char **at, char *buf, size_t size);

/*
 * Whether a line has @word, or with '=' at its end a word that begins so. @ret: the word; may be
 * NULL. A dash and an underscore are one to the kernel (parameq()), and so they are here.
 */
bool boot_has(const char *words, const char *word, char *ret, size_t size);

/* The line of the loader that boots in which a word stands; NULL: in none. */
const struct boot_line *boot_line_with(const struct boot *b, const char *word);

/* A sentence on how to have @word on the command line, or not any more, on this very host. */
void boot_how_to_add(const struct boot *b, const char *word, char *buf, size_t size);
void boot_how_to_drop(const struct boot *b, const char *word, char *buf, size_t size);

#endif
