/* SPDX-License-Identifier: MIT */
#ifndef CHECK_BOOT_H
#define CHECK_BOOT_H

#include <stdbool.h>
#include <stddef.h>

struct host;

/*
 * The source of this host's kernel command line. The most frequent reason for an IOMMU that stays
 * off is an edit in the file of a boot loader that does not boot this host.
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

/* A line of a configuration file with kernel command line options. */
struct boot_line {
	enum boot_loader loader; /* that reads it */
	char file[160];
	unsigned number; /* [1, …] */
	char key[40]; /* "GRUB_CMDLINE_LINUX_DEFAULT"; "" if the line has the options only */
	char *words; /* without quotes */
};

struct boot {
	char *booted; /* /proc/cmdline; NULL when it cannot be read */
	enum boot_loader loader; /* that booted this kernel */
	const char
		*tool; /* the command that applies a change: "update-grub"; "" if none is needed */
	size_t line_count;
	struct boot_line lines[BOOT_LINES_MAX];
};

/* Never fails: an unreadable file counts as missing. The caller calls boot_fini(). */
void boot_read(struct host *h, struct boot *ret);
void boot_fini(struct boot *b);

/* "GRUB", "systemd-boot", … */
const char *boot_loader_name(enum boot_loader l);

/*
 * Copies the next word of a command line to @buf, truncated to @size, and advances *@at.
 * Return: false at the end.
 */
bool boot_next_word(const char **at, char *buf, size_t size);

/*
 * True if the line has @word, or a word that begins with it if @word ends in '='. @ret receives the
 * word found; it may be NULL. Dash and underscore are equal, as in the kernel (parameq()).
 */
bool boot_has(const char *words, const char *word, char *ret, size_t size);

/* The line of the booted loader that contains @word; NULL if there is none. */
const struct boot_line *boot_line_with(const struct boot *b, const char *word);

/* Writes how to add @word to, or remove it from, the command line of this host. */
void boot_how_to_add(const struct boot *b, const char *word, char *buf, size_t size);
void boot_how_to_drop(const struct boot *b, const char *word, char *buf, size_t size);

#endif
