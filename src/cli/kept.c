/* SPDX-License-Identifier: MIT */
#include "cli/kept.h"

#include "control/value.h"
#include "view/json.h"
#include "view/table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DEVICES_TEXT 1024

/* @zone: with seconds and the time zone. Return: whether it is known; else @buf is "-". */
static bool time_format(
	const struct control_value *v, const char *key, bool zone, char *buf, size_t size)
{
	int64_t n;
	struct tm tm;

	(void)snprintf(buf, size, "-");
	if (!control_value_number(v, key, &n))
		return false;
	time_t t = (time_t)n;
	return localtime_r(&t, &tm) && strftime(buf, size, zone ? "%FT%T%z" : "%F %R", &tm);
}

void kept_number_cell(
	struct table *t, size_t column, const struct control_value *v, const char *key)
{
	char text[24] = "-";
	int64_t n;

	if (control_value_number(v, key, &n))
		(void)snprintf(text, sizeof(text), "%" PRId64, n);
	table_set(t, column, text, TABLE_PLAIN);
}

void kept_time_cell(struct table *t, size_t column, const struct control_value *v, const char *key)
{
	char text[40];

	(void)time_format(v, key, false, text, sizeof(text));
	table_set(t, column, text, TABLE_PLAIN);
}

static int device_append(void *arg, const char *key, const struct control_value *device)
{
	char *text = arg;
	const char *word = control_value_as_text(device);
	size_t len = strlen(text);

	if (word)
		(void)snprintf(text + len, DEVICES_TEXT - len, "%s%s", len ? " " : "", word);
	return 0;
}

void kept_devices_cell(
	struct table *t, size_t column, const struct control_value *v, const char *error)
{
	char text[DEVICES_TEXT] = "";

	(void)control_value_each(control_value_member(v, "devices"), device_append, text);
	table_set(t, column, error ? error : text[0] ? text : "-", TABLE_PLAIN);
}

void kept_put_number(
	struct json *map, const char *as, const struct control_value *v, const char *key)
{
	int64_t n;

	if (control_value_number(v, key, &n))
		json_put_signed(map, as, n);
	else
		json_put_null(map, as);
}

void kept_put_time(struct json *map, const struct control_value *v, const char *key)
{
	char text[40];

	json_put_text(map, key, time_format(v, key, true, text, sizeof(text)) ? text : NULL);
}

static int device_push(void *arg, const char *key, const struct control_value *device)
{
	const char *word = control_value_as_text(device);

	if (word)
		json_push_text(arg, word);
	return 0;
}

void kept_put_devices(struct json *map, const struct control_value *v)
{
	(void)control_value_each(
		control_value_member(v, "devices"), device_push, json_put_list(map, "devices"));
}
