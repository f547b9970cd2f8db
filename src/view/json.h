/* SPDX-License-Identifier: MIT */
#ifndef VIEW_JSON_H
#define VIEW_JSON_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct json; /* a map, a list or a value of json-c */

/*
 * The version of all documents. It grows when a key goes away or changes its type or its meaning;
 * new keys may come at any time. usher-json(7) has the rule, and docs/usher.schema.json every key.
 */
#define JSON_VERSION 2

/*
 * One JSON document on standard output, with snake_case keys; "version" and "verb" are the first.
 * Each key is in each document of its verb: what is not known, or not there, is null.
 *
 *	struct json *doc;
 *	if (json_new("list", &doc, e) < 0) …
 *	struct json *list = json_put_list(doc, "devices");
 *	struct json *one = json_push_map(list);
 *	json_put_text(one, "driver", "nvme");
 *	r = json_print(doc, e);
 *	json_free(doc);
 *
 * What runs out of memory meanwhile fails json_print(); all functions take NULL for it.
 */
int json_new(const char *verb, struct json **ret, struct err *e);

struct json *json_put_map(struct json *map, const char *key);
struct json *json_put_list(struct json *map, const char *key);
/* NULL becomes null. In a text that is not UTF-8, bytes outside printable ASCII become \xNN. */
void json_put_text(struct json *map, const char *key, const char *text);
/* An address: "0xfe000000". */
void json_put_hex(struct json *map, const char *key, uint64_t n);
/* A number with one digit behind the point, @tenths of which are given. */
void json_put_tenths(struct json *map, const char *key, unsigned tenths);
void json_put_number(struct json *map, const char *key, uint64_t n);
void json_put_signed(struct json *map, const char *key, int64_t n);
void json_put_flag(struct json *map, const char *key, int flag);
void json_put_null(struct json *map, const char *key);

struct json *json_push_map(struct json *list);
void json_push_text(struct json *list, const char *text);
void json_push_number(struct json *list, uint64_t n);

/*
 * Prints the document. Characters that a terminal obeys or does not show are escaped as \uNNNN, so
 * their value is kept. Return: 0, -ENOMEM.
 */
int json_print(struct json *doc, struct err *e);
void json_free(struct json *doc); /* NULL is fine */

#endif
