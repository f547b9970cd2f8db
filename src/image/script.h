/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_SCRIPT_H
#define IMAGE_SCRIPT_H

#include "image/variable.h"

#include <stdbool.h>

/*
 * The commands of a script in GRUB's language, which is that of a shell in small: words, quotes,
 * variables, comments.
 */
#define SCRIPT_WORDS_MAX 64
#define SCRIPT_TEXT_MAX 8192

struct script {
	const char *at; /* what is left of the text, which ends with a NUL */
	const struct variables *variables;
	size_t count; /* of the command's words */
	const char *words[SCRIPT_WORDS_MAX]; /* in @text */
	char text[SCRIPT_TEXT_MAX];
};

/*
 * Reads the next command: up to a line's end, a ';', or a word '{' or '}', which is the last word
 * of its command. Words that have no room are left out. Return: false at the end of the text.
 */
bool script_next(struct script *s);

#endif
