/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_ENTRY_H
#define IMAGE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>

#define ENTRY_PATH_MAX 256 /* with the NUL, and so are all below */
#define ENTRY_TITLE_MAX 128
#define ENTRY_OPTIONS_MAX 2048 /* of an x86 kernel: COMMAND_LINE_SIZE */
#define ENTRY_INITRDS_MAX 4

/* What a boot loader would start: paths in its file system, and the kernel's command line. */
struct boot_entry {
	char title[ENTRY_TITLE_MAX];
	char kernel[ENTRY_PATH_MAX]; /* "": it starts no kernel */
	size_t initrd_count;
	char initrds[ENTRY_INITRDS_MAX][ENTRY_PATH_MAX]; /* the kernel gets them as one, in order */
	char options[ENTRY_OPTIONS_MAX];
};

/* Cuts @text to @size, NUL included. Return: false when it was too long. */
bool entry_copy(char *buf, size_t size, const char *text);

/* Appends @word to a list of words. Return: false when there is no room; @list is unchanged. */
bool entry_append(char *list, size_t size, const char *word);

/* A path without GRUB's device: "($root)/vmlinuz" is "/vmlinuz". Return: false when too long. */
bool entry_set_path(char buf[ENTRY_PATH_MAX], const char *path);

/* Appends an initial RAM disk; ignores what has no room. */
void entry_add_initrd(struct boot_entry *b, const char *path);

#endif
