/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_VALUE_H
#define CONTROL_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * JSON that somebody else wrote. json-c reads it, and is loaded at the first use. All functions
 * take NULL for a value that is not there.
 */
struct control_value;

#define CONTROL_DEPTH 8 /* of objects and lists in each other */

/*
 * Parses the @len bytes of @text, which have to be one object and nothing else.
 * @ret: control_value_free(). Return: 0; -EINVAL with a sentence; -ENOPKG, -ENOMEM.
 */
int control_value_parse(const char *text, size_t len, struct control_value **ret, struct err *e);
void control_value_free(struct control_value *v);

/* A member of an object; NULL if there is none. It lives as long as the object. */
struct control_value *control_value_member(const struct control_value *v, const char *key);

/* The member as a text, a number, a flag. Return: NULL or false if it is not there, or no such. */
const char *control_value_text(const struct control_value *v, const char *key);
bool control_value_number(const struct control_value *v, const char *key, int64_t *ret);
bool control_value_flag(const struct control_value *v, const char *key);

bool control_value_is_number(const struct control_value *v);
bool control_value_is_flag(const struct control_value *v);
bool control_value_is_text(const struct control_value *v);
bool control_value_is_list(const struct control_value *v);
int64_t control_value_as_number(const struct control_value *v);
const char *control_value_as_text(const struct control_value *v);

/* Calls @each for every member of an object, or of a list (@key NULL), until it returns not 0. */
int control_value_each(const struct control_value *v,
	int (*each)(void *arg, const char *key, const struct control_value *member), void *arg);

/* On one line. Lives as long as the value. NULL without memory. */
const char *control_value_line(const struct control_value *v);

#endif
