/* SPDX-License-Identifier: MIT */
#include "view/json.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/load.h"
#include "base/num.h"
#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	__typeof__(json_object_new_object) *new_object;
	__typeof__(json_object_new_array) *new_array;
	__typeof__(json_object_new_string) *new_string;
	__typeof__(json_object_new_uint64) *new_uint64;
	__typeof__(json_object_new_int64) *new_int64;
	__typeof__(json_object_new_boolean) *new_boolean;
	__typeof__(json_object_new_double_s) *new_decimal;
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
		{"json_object_new_double_s", &lib.new_decimal},
		{"json_object_object_add", &lib.object_add},
		{"json_object_array_add", &lib.array_add},
		{"json_object_to_json_string_ext", &lib.to_text},
		{"json_object_put", &lib.put},
	};

	return load_library(LOAD_JSON_C, "libjson-c5", symbols, COUNT(symbols), e);
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

static bool is_utf8(const char *text)
{
	uint32_t c;
	size_t n;

	for (; *text; text += n) {
		n = utf8_decode(text, &c);
		if (n == 0)
			return false;
	}
	return true;
}

static struct json_object *json_string(const char *text)
{
	if (is_utf8(text))
		return lib.new_string(text);
	size_t size = 4 * strlen(text) + 1; /* \xNN */
	cleanup_free char *safe = malloc(size);
	if (!safe)
		return NULL;
	file_escape(safe, size, text);
	return lib.new_string(safe);
}

int json_new(const char *verb, struct json **ret, struct err *e)
{
	int r = load_json_c(e);
	if (r < 0)
		return r;
	failed = 0;
	struct json *doc = (struct json *)(void *)lib.new_object();
	if (!doc)
		return err_set(e, -ENOMEM, "make a JSON document");
	json_put_signed(doc, "version", JSON_VERSION);
	json_put_text(doc, "verb", verb);
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

void json_put_hex(struct json *map, const char *key, uint64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "0x%" PRIx64, n);
	json_put_text(map, key, text);
}

void json_put_tenths(struct json *map, const char *key, unsigned tenths)
{
	char text[16];

	if (tenths % 10 == 0) {
		json_put_number(map, key, tenths / 10);
		return;
	}
	(void)snprintf(text, sizeof(text), "%u.%u", tenths / 10, tenths % 10);
	(void)json_add(map, key, lib.new_decimal(tenths / 10.0, text));
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

/* json-c leaves them as they are. They are in strings only, where an escape means the same. */
static void print_visibly(const char *text)
{
	const char *plain = text; /* from here on nothing is to be escaped */
	uint32_t c = 0;
	size_t n;

	for (; *text; text += n) {
		n = utf8_decode(text, &c);
		if (n == 0)
			n = 1; /* json_string() lets no such text pass */
		else if (*text == '\n' || !utf8_is_hidden(c))
			continue;
		(void)fwrite(plain, 1, (size_t)(text - plain), stdout);
		plain = text + n;
		if (c < 0x10000)
			(void)printf("\\u%04x", c);
		else
			(void)printf("\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
				0xdc00 + ((c - 0x10000) & 0x3ff));
	}
	(void)puts(plain);
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
	print_visibly(text);
	return 0;
}

void json_free(struct json *doc)
{
	if (doc)
		(void)lib.put(json_object_of(doc));
}
