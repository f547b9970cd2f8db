/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_VARIABLE_H
#define IMAGE_VARIABLE_H

#include <stddef.h>

/* The variables of a boot loader's configuration. What has no room is not set. */
#define VARIABLES_MAX 128
#define VARIABLE_NAME_MAX 48 /* with the NUL */
#define VARIABLE_VALUE_MAX 2048

struct variable {
	char name[VARIABLE_NAME_MAX];
	char value[VARIABLE_VALUE_MAX];
};

struct variables {
	size_t count;
	struct variable list[VARIABLES_MAX];
};

/* @len: of the name. */
void variable_set(struct variables *v, const char *name, size_t len, const char *value);

/* "NAME=VALUE", as a command of its own. Return: 0; -EINVAL it is none. */
int variable_assign(struct variables *v, const char *text);

/* Return: "" if it is not set. */
const char *variable_get(const struct variables *v, const char *name, size_t len);

/*
 * GRUB's block of saved variables: a line of comment, then NAME=VALUE on each line, '#' up to the
 * end. @text ends with a NUL. next_entry is left out: it is for one boot, and only GRUB removes it.
 */
void variables_load(struct variables *v, const char *text);

/*
 * Replaces $NAME and ${NAME} in @text, once. Return: the length of the name at @text behind the
 * '$' with its braces, 0 if there is no name; *@ret is its value.
 */
size_t variable_expand(const struct variables *v, const char *text, const char **ret);

#endif
