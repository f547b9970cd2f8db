/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/load.h"
#include "base/num.h"
#include "cli/account.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

/*
 * What the small program (cli/front.c) has in place of libraries that it cannot load. json-c is a
 * part of it: usherd has `usher … --json` do its work, and to load the C library and json-c takes
 * longer than to bind a device. Names of users are for usher-whole: the C library loads a library
 * to find one.
 */
int account_find(const char *name, uid_t *ret)
{
	return -ENOENT;
}

#define CALL(name)                          \
	{                                   \
#name, (void (*)(void))name \
	}

static const struct {
	const char *name;
	void (*call)(void);
} calls[] = {
	CALL(json_object_array_add),
	CALL(json_object_array_get_idx),
	CALL(json_object_array_length),
	CALL(json_object_get_boolean),
	CALL(json_object_get_int64),
	CALL(json_object_get_object),
	CALL(json_object_get_string),
	CALL(json_object_get_string_len),
	CALL(json_object_get_type),
	CALL(json_object_new_array),
	CALL(json_object_new_boolean),
	CALL(json_object_new_double_s),
	CALL(json_object_new_int64),
	CALL(json_object_new_object),
	CALL(json_object_new_string),
	CALL(json_object_new_uint64),
	CALL(json_object_object_add),
	CALL(json_object_object_get_ex),
	CALL(json_object_put),
	CALL(json_object_to_json_string_ext),
	CALL(json_tokener_error_desc),
	CALL(json_tokener_free),
	CALL(json_tokener_get_error),
	CALL(json_tokener_new_ex),
	CALL(json_tokener_parse_ex),
	CALL(json_tokener_set_flags),
};

static int call_find(const struct load_symbol *symbol)
{
	for (size_t i = 0; i < COUNT(calls); i++)
		if (strcmp(calls[i].name, symbol->name) == 0) {
			*(void (**)(void))symbol->slot = calls[i].call;
			return 0;
		}
	return -ENOPKG;
}

int load_library(const char *sonames, const char *package, const struct load_symbol *symbols,
	size_t count, struct err *e)
{
	int r = strcmp(sonames, LOAD_JSON_C) == 0 ? 0 : -ENOPKG;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = call_find(&symbols[i]);
	return r == 0 ? 0 : err_say(e, r, "library '%s' cannot be loaded here", sonames);
}
