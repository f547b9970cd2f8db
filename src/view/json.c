/* SPDX-License-Identifier: MIT */
#include "view/json.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "view/load.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

static struct {
	__typeof__(json_object_new_object) *new_object;
	__typeof__(json_object_new_array) *new_array;
	__typeof__(json_object_new_string) *new_string;
	__typeof__(json_object_new_uint64) *new_uint64;
	__typeof__(json_object_new_int64) *new_int64;
	__typeof__(json_object_new_boolean) *new_boolean;
	__typeof__(json_object_object_add) *object_add;
	__typeof__(json_object_array_add) *array_add;
	__typeof__(json_object_to_json_string_ext) *to_text;
	__typeof__(json_object_put) *put;
} lib;

static int failed; /* of the current document; there is only one at a time */

static int load_json_c(struct err *e)
{
	static const struct load_symbol symbols[] = {
		{"json_object_new_object", &lib.new_object},
		{"json_object_new_array", &lib.new_array},
		{"json_object_new_string", &lib.new_string},
		{"json_object_new_uint64", &lib.new_uint64},
		{"json_object_new_int64", &lib.new_int64},
		{"json_object_new_boolean", &lib.new_boolean},
		{"json_object_object_add", &lib.object_add},
		{"json_object_array_add", &lib.array_add},
		{"json_object_to_json_string_ext", &lib.to_text},
		{"json_object_put", &lib.put},
	};

	return load_library("libjson-c.so.5", "libjson-c5", symbols, COUNT(symbols), e);
}

static struct json_object *json_object_of(struct json *j)
{
	return (struct json_object *)(void *)j;
}

/* Adds @value to a map, or without @key to a list. Frees it on failure. */
static struct json *json_add(struct json *to, const char *key, struct json_object *value)
{
	int r = -1;

	if (to && value)
		r = key ? lib.object_add(json_object_of(to), key, value)
			: lib.array_add(json_object_of(to), value);
	if (r == 0)
		return (struct json *)(void *)value;
	if (value)
		(void)lib.put(value);
	failed = -ENOMEM;
	return NULL;
}

/* The length of the UTF-8 sequence at @s; 0 if it is invalid (RFC 3629, section 4). */
static size_t utf8_sequence(const unsigned char *s)
{
	size_t n = s[0] < 0x80   ? 1
		   : s[0] < 0xc2 ? 0
		   : s[0] < 0xe0 ? 2
		   : s[0] < 0xf0 ? 3
		   : s[0] < 0xf5 ? 4
				 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
		(s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static bool is_utf8(const char *text)
{
	size_t n;

	for (const unsigned char *s = (const unsigned char *)text; *s; s += n) {
		n = utf8_sequence(s);
		if (n == 0)
			return false;
	}
	return true;
}

static struct json_object *json_string(const char *text)
{
	char safe[1024];

	if (is_utf8(text))
		return lib.new_string(text);
	file_escape(safe, sizeof(safe), text);
	return lib.new_string(safe);
}

int json_new(int version, struct json **ret, struct err *e)
{
	int r = load_json_c(e);
	if (r < 0)
		return r;
	failed = 0;
	struct json *doc = (struct json *)(void *)lib.new_object();
	if (!doc)
		return err_set(e, -ENOMEM, "make a JSON document");
	json_put_signed(doc, "version", version);
	*ret = doc;
	return 0;
}

struct json *json_put_map(struct json *map, const char *key)
{
	return json_add(map, key, lib.new_object());
}

struct json *json_put_list(struct json *map, const char *key)
{
	return json_add(map, key, lib.new_array());
}

void json_put_text(struct json *map, const char *key, const char *text)
{
	if (text)
		(void)json_add(map, key, json_string(text));
	else
		json_put_null(map, key);
}

void json_put_number(struct json *map, const char *key, uint64_t n)
{
	(void)json_add(map, key, lib.new_uint64(n));
}

void json_put_signed(struct json *map, const char *key, int64_t n)
{
	(void)json_add(map, key, lib.new_int64(n));
}

void json_put_flag(struct json *map, const char *key, int flag)
{
	(void)json_add(map, key, lib.new_boolean(flag));
}

void json_put_null(struct json *map, const char *key)
{
	/* json-c's null is the null pointer. */
	if (!map || lib.object_add(json_object_of(map), key, NULL) < 0)
		failed = -ENOMEM;
}

struct json *json_push_map(struct json *list)
{
	return json_add(list, NULL, lib.new_object());
}

void json_push_text(struct json *list, const char *text)
{
	(void)json_add(list, NULL, json_string(text));
}

void json_push_number(struct json *list, uint64_t n)
{
	(void)json_add(list, NULL, lib.new_uint64(n));
}

int json_print(struct json *doc, struct err *e)
{
	const char *text = NULL;

	if (!failed)
		text = lib.to_text(json_object_of(doc), JSON_C_TO_STRING_PRETTY |
								JSON_C_TO_STRING_SPACED |
								JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!text)
		return err_set(e, -ENOMEM, "make a JSON document");
	(void)puts(text);
	return 0;
}

void json_free(struct json *doc)
{
	if (doc)
		(void)lib.put(json_object_of(doc));
}
