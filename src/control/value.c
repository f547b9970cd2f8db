/* SPDX-License-Identifier: MIT */
#include "control/value.h"

#include "base/err.h"
#include "base/load.h"
#include "base/num.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <string.h>

static struct {
	__typeof__(json_tokener_new_ex) *tokener_new;
	__typeof__(json_tokener_free) *tokener_free;
	__typeof__(json_tokener_set_flags) *tokener_set_flags;
	__typeof__(json_tokener_parse_ex) *tokener_parse;
	__typeof__(json_tokener_get_error) *tokener_error;
	__typeof__(json_tokener_error_desc) *error_text;
	__typeof__(json_object_get_type) *type;
	__typeof__(json_object_object_get_ex) *member;
	__typeof__(json_object_get_object) *object;
	__typeof__(json_object_array_length) *length;
	__typeof__(json_object_array_get_idx) *at;
	__typeof__(json_object_get_string) *text;
	__typeof__(json_object_get_string_len) *text_length;
	__typeof__(json_object_get_int64) *number;
	__typeof__(json_object_get_boolean) *flag;
	__typeof__(json_object_to_json_string_ext) *to_text;
	__typeof__(json_object_put) *put;
} lib;

static int load_reader(struct err *e)
{
	static const struct load_symbol symbols[] = {
		{"json_tokener_new_ex", &lib.tokener_new},
		{"json_tokener_free", &lib.tokener_free},
		{"json_tokener_set_flags", &lib.tokener_set_flags},
		{"json_tokener_parse_ex", &lib.tokener_parse},
		{"json_tokener_get_error", &lib.tokener_error},
		{"json_tokener_error_desc", &lib.error_text},
		{"json_object_get_type", &lib.type},
		{"json_object_object_get_ex", &lib.member},
		{"json_object_get_object", &lib.object},
		{"json_object_array_length", &lib.length},
		{"json_object_array_get_idx", &lib.at},
		{"json_object_get_string", &lib.text},
		{"json_object_get_string_len", &lib.text_length},
		{"json_object_get_int64", &lib.number},
		{"json_object_get_boolean", &lib.flag},
		{"json_object_to_json_string_ext", &lib.to_text},
		{"json_object_put", &lib.put},
	};

	return lib.put ? 0 : load_library(LOAD_JSON_C, "libjson-c5", symbols, COUNT(symbols), e);
}

static struct json_object *object_of(const struct control_value *v)
{
	return (struct json_object *)(uintptr_t)v;
}

static struct control_value *value_of(struct json_object *o)
{
	return (struct control_value *)(void *)o;
}

static enum json_type type_of(const struct control_value *v)
{
	return v ? lib.type(object_of(v)) : json_type_null;
}

/* A strict json-c also refuses what follows the value and is not blank. */
static int parse_with(struct json_tokener *tokener, const char *text, size_t len,
	struct json_object **ret, struct err *e)
{
	lib.tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*ret = lib.tokener_parse(tokener, text, (int)len);
	enum json_tokener_error error = lib.tokener_error(tokener);
	if (error == json_tokener_continue)
		return err_say(e, -EINVAL, "the JSON object is not complete");
	if (error != json_tokener_success)
		return err_say(e, -EINVAL, "this is not JSON: %s", lib.error_text(error));
	if (!*ret || lib.type(*ret) != json_type_object)
		return err_say(e, -EINVAL, "this is JSON, but not an object");
	return 0;
}

int control_value_parse(const char *text, size_t len, struct control_value **ret, struct err *e)
{
	struct json_object *found = NULL;

	if (len > INT_MAX)
		return err_set(e, -E2BIG, "read JSON");
	int r = load_reader(e);
	if (r < 0)
		return r;
	struct json_tokener *tokener = lib.tokener_new(CONTROL_DEPTH);
	if (!tokener)
		return err_set(e, -ENOMEM, "read JSON");
	r = parse_with(tokener, text, len, &found, e);
	lib.tokener_free(tokener);
	if (r < 0 && found)
		(void)lib.put(found);
	if (r == 0)
		*ret = value_of(found);
	return r;
}

void control_value_free(struct control_value *v)
{
	if (v)
		(void)lib.put(object_of(v));
}

struct control_value *control_value_member(const struct control_value *v, const char *key)
{
	struct json_object *found = NULL;

	if (type_of(v) != json_type_object || !lib.member(object_of(v), key, &found))
		return NULL;
	return value_of(found);
}

/* json-c makes what has more than 63 bits the least or the largest number that it has. */
bool control_value_is_number(const struct control_value *v)
{
	if (type_of(v) != json_type_int)
		return false;
	const int64_t n = lib.number(object_of(v));
	return n != INT64_MIN && n != INT64_MAX;
}

bool control_value_is_flag(const struct control_value *v)
{
	return type_of(v) == json_type_boolean;
}

/* In C, a text with a NUL would be its beginning. */
bool control_value_is_text(const struct control_value *v)
{
	return type_of(v) == json_type_string &&
	       strlen(lib.text(object_of(v))) == (size_t)lib.text_length(object_of(v));
}

bool control_value_is_list(const struct control_value *v)
{
	return type_of(v) == json_type_array;
}

int64_t control_value_as_number(const struct control_value *v)
{
	return control_value_is_number(v) ? lib.number(object_of(v)) : 0;
}

const char *control_value_as_text(const struct control_value *v)
{
	return control_value_is_text(v) ? lib.text(object_of(v)) : NULL;
}

const char *control_value_text(const struct control_value *v, const char *key)
{
	return control_value_as_text(control_value_member(v, key));
}

bool control_value_number(const struct control_value *v, const char *key, int64_t *ret)
{
	const struct control_value *m = control_value_member(v, key);

	if (control_value_is_number(m))
		*ret = control_value_as_number(m);
	return control_value_is_number(m);
}

bool control_value_flag(const struct control_value *v, const char *key)
{
	const struct control_value *m = control_value_member(v, key);

	return control_value_is_flag(m) && lib.flag(object_of(m));
}

static int each_of_list(const struct control_value *v,
	int (*each)(void *arg, const char *key, const struct control_value *member), void *arg)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < lib.length(object_of(v)); i++)
		r = each(arg, NULL, value_of(lib.at(object_of(v), i)));
	return r;
}

int control_value_each(const struct control_value *v,
	int (*each)(void *arg, const char *key, const struct control_value *member), void *arg)
{
	int r = 0;

	if (type_of(v) == json_type_array)
		return each_of_list(v, each, arg);
	if (type_of(v) != json_type_object)
		return 0;
	for (struct lh_entry *i = lib.object(object_of(v))->head; r == 0 && i; i = i->next)
		r = each(arg, lh_entry_k(i), value_of(lh_entry_v(i)));
	return r;
}

const char *control_value_line(const struct control_value *v)
{
	return lib.to_text(object_of(v), JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}
