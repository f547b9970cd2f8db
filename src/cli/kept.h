/* SPDX-License-Identifier: MIT */
#ifndef CLI_KEPT_H
#define CLI_KEPT_H

#include <stddef.h>

struct control_value;
struct json;
struct table;

/*
 * What a keeper says of its guest or lease, in a row of a table and in JSON. @v: its answer; NULL:
 * it gave none. What is not there is "-" in a table, and null in JSON.
 */

/* A number of @v. */
void kept_number_cell(
	struct table *t, size_t column, const struct control_value *v, const char *key);
/* A time, to the minute. */
void kept_time_cell(struct table *t, size_t column, const struct control_value *v, const char *key);
/* All devices; or @error, if it is not NULL. */
void kept_devices_cell(
	struct table *t, size_t column, const struct control_value *v, const char *error);

/* The same as @as, for programs: times have seconds and the time zone. */
void kept_put_number(
	struct json *map, const char *as, const struct control_value *v, const char *key);
void kept_put_time(struct json *map, const struct control_value *v, const char *key);
void kept_put_devices(struct json *map, const struct control_value *v);

#endif
