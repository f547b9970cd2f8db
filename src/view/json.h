/* SPDX-License-Identifier: MIT */
#ifndef VIEW_JSON_H
#define VIEW_JSON_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct json; /* a map, a list or a value of json-c */

/*
 * One JSON document on standard output: snake_case keys, and "version" first, which grows when
 * a key changes its meaning or goes away (new keys may come at any time).
 *
 *	struct json *doc;
 *	if (json_new(1, &doc, e) < 0) …
 *	struct json *list = json_put_list(doc, "devices");
 *	struct json *one = json_push_map(list);
 *	json_put_text(one, "driver", "nvme");
 *	r = json_print(doc, e);
 *	json_free(doc);
 *
 * What runs out of memory meanwhile fails json_print(); all functions take NULL for it.
 */
int json_new(int version, struct json **ret, struct err *e);

struct json *json_put_map(struct json *map, const char *key);
struct json *json_put_list(struct json *map, const char *key);
/* NULL becomes null. What is not UTF-8 is escaped as file_escape() does. */
void json_put_text(struct json *map, const char *key, const char *text);
void json_put_number(struct json *map, const char *key, uint64_t n);
void json_put_signed(struct json *map, const char *key, int64_t n);
void json_put_flag(struct json *map, const char *key, int flag);
void json_put_null(struct json *map, const char *key);

struct json *json_push_map(struct json *list);
void json_push_text(struct json *list, const char *text);
void json_push_number(struct json *list, uint64_t n);

/* Return: 0, -ENOMEM. */
int json_print(struct json *doc, struct err *e);
void json_free(struct json *doc); /* NULL is fine */

#endif
