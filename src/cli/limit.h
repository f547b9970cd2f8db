/* SPDX-License-Identifier: MIT */
#ifndef CLI_LIMIT_H
#define CLI_LIMIT_H

struct guest_spec;
struct json;

/* --cpu-limit and --memory-limit. Return: 0, or an exit status with the reason told. */
int limit_take_cpu(struct guest_spec *s, const char *text);
int limit_take_memory(struct guest_spec *s, const char *text);

/* The limits that the user gave, in a plan. */
void limit_print(const struct guest_spec *s);
void limit_put(struct json *guest, const struct guest_spec *s);

#endif
