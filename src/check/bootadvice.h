/* SPDX-License-Identifier: MIT */
#ifndef CHECK_BOOTADVICE_H
#define CHECK_BOOTADVICE_H

#include "check/boot.h"

/* How a person changes the kernel command line of this host, by its owner. */

/* The first line that the owner reads and that contains @word; NULL if there is none. */
const struct boot_line *boot_line_with(const struct boot *b, const char *word);

/*
 * Writes how to add @words to, or remove @word from, the command line of this host.
 * boot_how_to_apply() is for a line of the owner that has the word already, but was not booted.
 */
void boot_how_to_add(const struct boot *b, const char *words, char *buf, size_t size);
void boot_how_to_drop(const struct boot *b, const char *word, char *buf, size_t size);
void boot_how_to_apply(const struct boot *b, char *buf, size_t size);

#endif
