/* SPDX-License-Identifier: MIT */
#ifndef CLI_SAVED_H
#define CLI_SAVED_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct guest_words;

/*
 * Saved guests: one guest file each (usher-guest(5)), in a folder, by name. A saved guest's name is
 * that of its file.
 */

/* Where: /etc/usher/guests; the environment variable USHER_GUESTS names another folder. */
const char *saved_folder(void);

/* The path of the saved guest @name. Return: 0, -EINVAL @name cannot be one, -ENAMETOOLONG. */
int saved_path(const char *name, char *buf, size_t size, struct err *e);

/* The same; -ENOENT if there is none, with what else it may be in the hint. */
int saved_find(const char *name, char *buf, size_t size, struct err *e);

/* Calls @each with the name of every saved guest, by name, until it returns not 0. */
int saved_each(int (*each)(void *arg, const char *name), void *arg);

/* Saves a command line. Return: 0; -EEXIST it is there; as words_write(); -errno. */
int saved_write(const char *name, const struct guest_words *ws, struct err *e);

/* Replaces the text of a saved guest, whole or not at all. Return: 0, -errno. */
int saved_replace(const char *path, const char *text, size_t len, struct err *e);

#endif
